/** Evaluation: held-out cross entropy and exact loads. Neither the model nor the training state changes. */
import type { Batch } from '@lpr/data';
import type { Decoder } from '@lpr/model';
import { scope } from '@lpr/tensor';
import { readCounts, uploadBatch } from './trainer.ts';

export interface Evaluation {
  /** Mean cross entropy over all tokens, in nats: no auxiliary term enters. */
  readonly loss: number;
  readonly tokens: number;
  /** Exact loads `[layers][experts]` over all tokens. */
  readonly counts: readonly Float64Array[];
  /**
   * `[layers][experts][vocabulary]`: how often each expert got each token id, for figures of specialisation; empty unless asked for.
   */
  readonly tokenCounts: readonly (readonly Uint32Array[])[];
}

export interface EvaluateOptions {
  /** Count which token ids each expert gets. Takes 4 bytes x layers x experts x vocabulary on the host. */
  readonly tokenCounts?: boolean;
  /** Told after each batch how many tokens are done. */
  readonly onProgress?: (tokens: number) => void;
}

/**
 * Runs the batches through the model as it is used, not trained: routers without noise, no gradients, no updates of router state.
 *
 * @throws RangeError when there is no batch
 */
export async function evaluate(
  decoder: Decoder,
  batches: Iterable<Batch>,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  let losses = 0;
  let tokens = 0;
  const counts: Float64Array[] = [];
  const tokenCounts: Uint32Array[][] = [];
  const vocabulary = decoder.plan.vocabulary;

  const record = (batch: Batch) => {
    const reads = scope(
      decoder.device,
      () => {
        const output = decoder.forward(uploadBatch(decoder, batch), { training: false });
        const experts = options.tokenCounts ? output.routings.map((routing) => routing.experts.data()) : [];
        return { results: Promise.all([output.taskLoss.item(), readCounts(output.counts), Promise.all(experts)]) };
      },
      { gradients: false },
    );
    // Its failure is reported when it is awaited.
    reads.results.catch(() => {});
    return { batch, ...reads };
  };
  const collect = async ({ batch, results }: ReturnType<typeof record>): Promise<void> => {
    const [loss, layerCounts, chosen] = await results;
    losses += loss * batch.inputIds.length;
    tokens += batch.inputIds.length;
    for (const [layer, loads] of layerCounts.entries()) {
      const sums = (counts[layer] ??= new Float64Array(loads.length));
      for (const [expert, load] of loads.entries()) sums[expert]! += load;
    }
    for (const [layer, picks] of chosen.entries()) {
      const byExpert = (tokenCounts[layer] ??= Array.from(layerCounts[layer]!, () => new Uint32Array(vocabulary)));
      const topK = picks.length / batch.inputIds.length;
      for (const [i, expert] of picks.entries()) {
        // A slot without an expert holds the number of experts.
        if (expert < byExpert.length) byExpert[expert]![batch.inputIds[Math.floor(i / topK)]!]!++;
      }
    }
    options.onProgress?.(tokens);
  };

  // The next batch is recorded before the results of one are awaited, so that the device never waits for the host.
  let pending: ReturnType<typeof record> | null = null;
  for (const batch of batches) {
    const next = record(batch);
    if (pending !== null) await collect(pending);
    pending = next;
  }
  if (pending === null) throw new RangeError('evaluate: got no batches; give at least one');
  await collect(pending);
  return { loss: losses / tokens, tokens, counts, tokenCounts };
}
