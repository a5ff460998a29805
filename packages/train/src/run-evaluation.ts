/** Evaluations of a run on held-out text, and how the first tokens of each domain were routed. */
import type { Batch } from '@lpr/data';
import { layersReport, mutualInformation, mutualInformationBias, TraceRecorder } from '@lpr/metrics';
import { type Decoder, encodeSafetensors } from '@lpr/model';
import { balanceOf, type EvaluationLine, latentName, type LatentPart, measured, type RunFolder } from '@lpr/runs';
import { decisionsOf, type RouterDecisions } from './decisions.ts';
import { type Evaluation, evaluate, type RoutedBatch } from './evaluate.ts';

export interface EvaluationOptions {
  /** Steps from one evaluation to the next; null: only at the end. */
  readonly every: number | null;
  /** Held-out batches, of one domain each; the same at every call. */
  readonly batches: () => Iterable<Batch>;
  /** Tokens of each domain whose routing is kept in traces and latents; 0, the default: none. */
  readonly traceTokens?: number;
  /** Stop when this many evaluations in a row were no better than the best before them; null, the default: never. */
  readonly patience?: number | null;
  /** Told how many tokens are done. */
  readonly onProgress?: (tokens: number) => void;
}

/** What counts of expert and token id together may take on the host. */
const MOST_COUNT_BYTES = 2 ** 29;

/**
 * Evaluates a model after `step` steps on `tokens` tokens, and writes traces and latents into the run's folder; of the
 * final evaluation the blocks too.
 */
export async function evaluateRun(
  run: RunFolder,
  decoder: Decoder,
  options: EvaluationOptions,
  at: { readonly step: number; readonly tokens: number; readonly final: boolean },
): Promise<EvaluationLine> {
  const { traceTokens = 0, onProgress } = options;
  const routers = decoder.routers;
  const experts = routers[0]?.experts ?? 0;
  const tokenCounts = 4 * routers.length * experts * decoder.plan.vocabulary <= MOST_COUNT_BYTES;
  const routed: RoutedBatch[] = [];
  const evaluation = await evaluate(decoder, options.batches(), {
    tokenCounts,
    ...(traceTokens > 0 && routers.length > 0
      ? { routed: { tokens: traceTokens, decisions: true, onBatch: (batch) => routed.push(batch) } }
      : {}),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const first = firstTokens(routed, traceTokens);
  if (first.length > 0) {
    const recorder = new TraceRecorder({ experts, limit: first.reduce((sum, each) => sum + each.tokenIds.length, 0) });
    for (const batch of first) recorder.add(batch);
    await run.writeTrace(at.step, recorder.trace());
    if (at.final && first[0]!.layers.some(({ latents }) => latents !== null)) {
      await run.writeLatents(at.step, encodeSafetensors(await latentsOf(decoder, first)));
    }
  }
  if (at.final) await run.writeBlocks({ step: at.step, blocks: evaluation.blocks });
  return { ...lineOf(evaluation, at), ...(routed.length > 0 && { decisions: decisionsOf(routed).map(decisionsLine) }) };
}

/** Whether the last `patience` evaluations were all no better than the best before them that came to a number. */
export function isOutOfPatience(losses: readonly number[], patience: number | null | undefined): boolean {
  if (patience === null || patience === undefined || losses.length <= patience) return false;
  const best = Math.min(...losses.slice(0, -patience).filter(Number.isFinite));
  return losses.slice(-patience).every((loss) => !(loss < best));
}

function lineOf(
  { loss, tokens: evaluatedTokens, domains, counts, usage, tokenCounts }: Evaluation,
  at: { readonly step: number; readonly tokens: number; readonly final: boolean },
): EvaluationLine {
  const mean = (values: readonly number[]): number | null =>
    values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length;
  return {
    ...at,
    domains: Object.fromEntries(
      Array.from(domains, ([name, each]) => [name, { ...each, perplexity: Math.exp(each.loss) }]),
    ),
    loss,
    perplexity: Math.exp(loss),
    evaluatedTokens,
    // A model without experts has none.
    balance: counts.length === 0 ? null : balanceOf(layersReport(counts)),
    mutualInformation: mean(tokenCounts.map(mutualInformation)),
    mutualInformationBias: mean(tokenCounts.map(mutualInformationBias)),
    usage,
    counts: counts.map((layer) => Array.from(layer)),
  };
}

function decisionsLine(decisions: RouterDecisions | null): NonNullable<EvaluationLine['decisions']>[number] {
  if (decisions === null) return null;
  const { entropy, margin, independentMargin } = decisions;
  return { entropy: measured(entropy), margin: measured(margin), independentMargin: measured(independentMargin) };
}

/** The first tokens of each domain: the last batch of a domain is cut. */
function firstTokens(batches: readonly RoutedBatch[], tokens: number): RoutedBatch[] {
  const taken = new Map<string, number>();
  return batches.map((batch) => {
    const before = taken.get(batch.domain) ?? 0;
    const count = Math.min(batch.tokenIds.length, tokens - before);
    taken.set(batch.domain, before + count);
    const cut = <T extends Int32Array | Float32Array>(rows: T): T =>
      rows.subarray(0, (rows.length / batch.tokenIds.length) * count) as T;
    return {
      domain: batch.domain,
      tokenIds: cut(batch.tokenIds),
      layers: batch.layers.map(({ experts, weights, latents, decisions }) => ({
        experts: cut(experts),
        weights: cut(weights),
        latents: latents === null ? null : cut(latents),
        decisions,
      })),
    };
  });
}

type StoredTensor = { readonly shape: readonly number[]; readonly data: Float32Array | Int32Array };

async function latentsOf(decoder: Decoder, batches: readonly RoutedBatch[]): Promise<Map<string, StoredTensor>> {
  const tensors = new Map<string, StoredTensor>();
  const tokenIds = Int32Array.from(batches.flatMap((batch) => [...batch.tokenIds]));
  for (const [i, { parameters }] of decoder.routers.entries()) {
    // Gaussian prototypes have their means under the second name.
    const prototypes = parameters.get('expert_keys') ?? parameters.get('expert_keys_mu');
    const layers = batches.map(({ layers }) => layers[i]!);
    if (prototypes === undefined || layers[0]!.latents === null) continue;
    const rows = (values: readonly number[]): number[] => [tokenIds.length, values.length / tokenIds.length];
    const latents = layers.flatMap((layer) => [...layer.latents!]);
    const experts = layers.flatMap((layer) => [...layer.experts]);
    const name = (part: LatentPart): string => latentName(decoder.moeLayers[i]!, part);
    tensors.set(name('latents'), { shape: rows(latents), data: Float32Array.from(latents) });
    tensors.set(name('tokens'), { shape: [tokenIds.length], data: tokenIds });
    tensors.set(name('experts'), { shape: rows(experts), data: Int32Array.from(experts) });
    tensors.set(name('prototypes'), { shape: prototypes.shape, data: await prototypes.data() });
  }
  return tensors;
}
