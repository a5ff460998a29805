/** Evaluation: held-out cross entropy and exact loads. Neither the model nor the training state changes. */
import type { Batch } from '@lpr/data';
import { BlockRecorder, expertsPerToken, type HeldOutBlock } from '@lpr/metrics';
import { countParameters, type Decoder, type DecoderOutput, predictFlops } from '@lpr/model';
import type { Usage } from '@lpr/runs';
import { awaited, pausingScope } from '@lpr/tensor';
import { DecisionReader, type RouterDecisions } from './decisions.ts';
import { countLabels, uploadBatch } from './micro-batches.ts';
import { readCounts } from './trainer.ts';

/** Mean cross entropy of some tokens. */
export interface HeldOutLoss {
  /** In nats a token: no auxiliary term enters. NaN where no token has a label. */
  readonly loss: number;
  readonly tokens: number;
}

/** Results over all batches, each loss by the weight of its batch; batches of weight 0 count in their domain only. */
export interface Evaluation extends HeldOutLoss {
  /** Every loss of a domain counts the same here. */
  readonly domains: ReadonlyMap<string, HeldOutLoss>;
  /** Exact loads `[layers][experts]` over all tokens. */
  readonly counts: readonly Float64Array[];
  /** What the tokens used of the model. */
  readonly usage: Usage;
  /**
   * `[layers][experts][vocabulary]`: how often each expert got each token id, for measures of specialisation; empty
   * unless asked for.
   */
  readonly tokenCounts: readonly (readonly Uint32Array[])[];
  /** The same of consecutive batches: how far the text decides the results. */
  readonly blocks: readonly HeldOutBlock[];
}

/** How the tokens of a batch were routed. */
export interface RoutedBatch {
  readonly domain: string;
  readonly tokenIds: Int32Array;
  readonly layers: readonly {
    /** `[tokens, slots]`; the number of experts where a slot holds none. */
    readonly experts: Int32Array;
    readonly weights: Float32Array;
    /** `[tokens, D]`: what latent routers compare with their prototypes. */
    readonly latents: Float32Array | null;
    /** Means over the tokens; null unless asked for, and where the largest scores do not say where a token goes. */
    readonly decisions: RouterDecisions | null;
  }[];
}

export interface EvaluateOptions {
  /** Count which token ids each expert gets. Takes 4 bytes x layers x experts x vocabulary on the host. */
  readonly tokenCounts?: boolean;
  /** Told how the first tokens of each domain were routed: all batches until there are `tokens` of a domain. */
  readonly routed?: {
    readonly tokens: number;
    /** Whether to measure how decided routers are, which reads all scores. Default: no. */
    readonly decisions?: boolean;
    /** Told of each such batch. */
    readonly onBatch: (batch: RoutedBatch) => void;
  };
  /** Told the loads `[layers][experts]` of each batch that counts, and of how many tokens they are. */
  readonly onLoads?: (counts: readonly Int32Array[], tokens: number) => void;
  /** Told after each batch how many tokens are done. */
  readonly onProgress?: (tokens: number) => void;
}

/**
 * Runs batches, of one domain each, through the model as it is used, not trained: routers without noise, no gradients,
 * no updates of router state.
 *
 * @throws RangeError when there is no batch, or none that counts
 */
export async function evaluate(
  decoder: Decoder,
  batches: Iterable<Batch>,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const sums = new EvaluationSums(decoder);
  const { routed } = options;
  const routedTokens = new Map<string, number>();
  const decisions = routed?.decisions === true ? new DecisionReader(decoder) : null;

  const record = async (batch: Batch) => {
    const domain = domainOf(batch);
    const before = routedTokens.get(domain) ?? 0;
    const isRouted = routed !== undefined && before < routed.tokens;
    if (isRouted) routedTokens.set(domain, before + batch.inputIds.length);
    // At once where no other rank is waited for, so that evaluations may go on beside each other.
    const computation = pausingScope(
      decoder.device,
      function* () {
        const output = yield* decoder.forwardPausing(uploadBatch(decoder, batch), { training: false });
        const wantsExperts = isRouted || options.tokenCounts === true;
        return {
          results: Promise.all([
            output.taskLoss.item(),
            readCounts(output.counts),
            readSlots(output),
            Promise.all(wantsExperts ? output.routings.map(({ experts }) => experts.data()) : []),
            isRouted ? readRouted(output, decisions) : null,
          ]),
        };
      },
      { gradients: false },
    );
    const reads = await awaited(computation);
    // Its failure is reported when it is awaited.
    reads.results.catch(() => {});
    return { batch, ...reads };
  };
  const collect = async ({ batch, results }: Awaited<ReturnType<typeof record>>): Promise<void> => {
    const [loss, counts, slots, chosen, read] = await results;
    sums.add(batch, loss, counts, slots);
    if (batch.weight !== 0) options.onLoads?.(counts, batch.inputIds.length);
    if (options.tokenCounts) sums.addChoices(batch, chosen as Int32Array[]);
    if (read !== null) {
      const layers = read.map((layer, i) => ({ ...layer, experts: chosen[i] as Int32Array }));
      routed?.onBatch({ domain: domainOf(batch), tokenIds: batch.inputIds, layers });
    }
    options.onProgress?.(sums.done);
  };

  // The next batch is recorded before the results of one are awaited, so that the device never waits for the host.
  let pending: Awaited<ReturnType<typeof record>> | null = null;
  for (const batch of batches) {
    const next = await record(batch);
    if (pending !== null) await collect(pending);
    pending = next;
  }
  if (pending === null) throw new RangeError('evaluate: got no batches; give at least one');
  await collect(pending);
  if (sums.tokens === 0) throw new RangeError('evaluate: all batches have weight 0; give at least one that counts');
  return sums.result();
}

/** Batches of an evaluation are of one domain each. */
function domainOf({ domains }: Batch): string {
  return domains[0]!;
}

/** Slots that routers fill with experts, over all layers: all of them, and those that hold none by reason. */
type Slots = Record<'all' | keyof Usage['emptySlots'], number>;

async function readSlots({ routings }: DecoderOutput): Promise<Slots> {
  const slots: Slots = {
    all: routings.reduce((sum, { experts }) => sum + experts.size, 0),
    dropped: 0,
    null: 0,
    inactive: 0,
  };
  const unused = routings.flatMap((routing) => routing.unused ?? []);
  const counts = await readCounts(unused.map(({ count }) => count));
  for (const [i, { reason }] of unused.entries()) slots[reason] += counts[i]![0]!;
  return slots;
}

async function readRouted(
  { routings }: DecoderOutput,
  reader: DecisionReader | null,
): Promise<Omit<RoutedBatch['layers'][number], 'experts'>[]> {
  const reads = routings.map(async (routing, i) => {
    const { weights, details } = routing;
    // In evaluation the latent is the mean.
    const [read, latents, decisions] = await Promise.all([
      weights.data(),
      details?.['mu']?.data() ?? null,
      reader?.read(routing, i) ?? null,
    ]);
    return { weights: read as Float32Array, latents: latents as Float32Array | null, decisions };
  });
  return await Promise.all(reads);
}

/** What the batches of an evaluation add up to. */
class EvaluationSums {
  /** Tokens of all batches, and of those that count. */
  done = 0;
  tokens = 0;
  readonly #decoder: Decoder;
  readonly #domains = new Map<string, { loss: number; labels: number; tokens: number }>();
  /** Of the batches that count, by their weights. */
  #loss = 0;
  #labels = 0;
  readonly #counts: Float64Array[] = [];
  readonly #tokenCounts: Uint32Array[][] = [];
  readonly #slots: Slots = { all: 0, dropped: 0, null: 0, inactive: 0 };
  /** Tokens of a sequence, the same in all batches. */
  #sequence = 0;
  readonly #blocks = new BlockRecorder();

  constructor(decoder: Decoder) {
    this.#decoder = decoder;
  }

  add(batch: Batch, loss: number, counts: readonly Int32Array[], slots: Slots): void {
    const domain = domainOf(batch);
    const labels = countLabels(batch);
    const { weight = 1 } = batch;
    // The mean over no labels is NaN, which no factor undoes.
    const lost = labels === 0 ? 0 : loss * labels;
    const before = this.#domains.get(domain) ?? { loss: 0, labels: 0, tokens: 0 };
    this.#domains.set(domain, {
      loss: before.loss + lost,
      labels: before.labels + labels,
      tokens: before.tokens + batch.inputIds.length,
    });
    this.done += batch.inputIds.length;
    if (weight === 0) return;
    this.tokens += batch.inputIds.length;
    this.#sequence = batch.sequenceLength;
    for (const kind of Object.keys(slots) as (keyof Slots)[]) this.#slots[kind] += slots[kind];
    this.#loss += lost * weight;
    this.#labels += labels * weight;
    for (const [layer, loads] of counts.entries()) {
      const sums = (this.#counts[layer] ??= new Float64Array(loads.length));
      for (const [expert, load] of loads.entries()) sums[expert]! += load;
    }
    this.#blocks.add({ domain, weight, tokens: labels, loss: lost, counts });
  }

  /** The experts of each token `[tokens, slots]`, layer by layer; after `add`. */
  addChoices({ inputIds, weight }: Batch, chosen: readonly Int32Array[]): void {
    if (weight === 0) return;
    for (const [layer, picks] of chosen.entries()) {
      const experts = this.#counts[layer]!;
      const byExpert = (this.#tokenCounts[layer] ??= Array.from(
        experts,
        () => new Uint32Array(this.#decoder.plan.vocabulary),
      ));
      const slots = picks.length / inputIds.length;
      for (const [i, expert] of picks.entries()) {
        // A slot without an expert holds the number of experts.
        if (expert < byExpert.length) byExpert[expert]![inputIds[Math.floor(i / slots)]!]!++;
      }
    }
  }

  result(): Evaluation {
    return {
      loss: this.#loss / this.#labels,
      tokens: this.tokens,
      domains: new Map(
        Array.from(this.#domains, ([name, { loss, labels, tokens }]) => [name, { loss: loss / labels, tokens }]),
      ),
      counts: this.#counts,
      usage: this.#usage(),
      tokenCounts: this.#tokenCounts,
      blocks: this.#blocks.blocks(),
    };
  }

  #usage(): Usage {
    const { config } = this.#decoder;
    const perToken = this.#counts.map((counts) => expertsPerToken([counts], this.tokens));
    const { all, ...empty } = this.#slots;
    const share = (slots: number): number => (all === 0 ? 0 : slots / all);
    return {
      activeParameters: countParameters(config, perToken).active,
      flopsPerToken: predictFlops(config, { sequence: this.#sequence, expertsPerToken: perToken }).forward,
      emptySlots: { dropped: share(empty.dropped), null: share(empty.null), inactive: share(empty.inactive) },
    };
  }
}
