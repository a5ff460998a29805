/**
 * One training step after the other on a decoder: forward, backward, clip, AdamW, the routers' own updates.
 *
 * A step is only recorded on the device; what is read back of it (a handful of numbers and the load counts) arrives as
 * a promise. A loop that records step i + 1 before it awaits the report of step i keeps the device busy. All randomness
 * of a step comes from the seed and the step's number, so a trainer that was set back to a step repeats it bit for bit.
 */
import type { Batch, BatchStream } from '@lpr/data';
import type { Decoder, DecoderOutput, DecoderPart, LayerLoss, Observer } from '@lpr/model';
import { mergeStatistics, type RoutingStatistics } from '@lpr/moe';
import { add, affine, backward, cast, concatenate, RandomKey, reshape, scope, type Tensor, tensor } from '@lpr/tensor';
import { AdamW, type AdamWOptions, labelled } from '@lpr/tensor/nn';
import { type EarlierSchedule, learningRateFactor, type Schedule } from './schedule.ts';

/** One term of the objective besides the cross entropy, as a number. */
export interface LossTermValue {
  /** 'diversity', 'kl', 'alignment', 'loadBalancing', ... */
  readonly name: string;
  /** null: pooled over all layers. */
  readonly layer: number | null;
  /** Before weighting. */
  readonly raw: number;
  /** What enters the objective: weight times raw. */
  readonly weighted: number;
}

/** What one step did. */
export interface StepReport {
  /** Steps done, this one included. */
  readonly step: number;
  /** Tokens of this step. */
  readonly tokens: number;
  /** Mean cross entropy over the batch in nats per token, before the update. */
  readonly loss: number;
  /** The objective: cross entropy plus all weighted terms. */
  readonly totalLoss: number;
  readonly terms: readonly LossTermValue[];
  /** Global norm of the gradients before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Exact loads `[layers][experts]`: token-expert pairs that each expert got. */
  readonly counts: readonly Int32Array[];
}

export interface TrainerOptions {
  readonly decoder: Decoder;
  /** Gives the micro-batches: step i takes those from `i * accumulation` on. */
  readonly stream: Pick<BatchStream, 'batchAt'>;
  /**
   * Micro-batches whose gradients make up one step; 1 unless given. Each token weighs the same however the step is
   * split, and memory is that of one micro-batch.
   */
  readonly accumulation?: number;
  /**
   * Whether the loss terms besides cross entropy are those of the whole step ('mean', unless given) or are added up
   * over its micro-batches ('sum'), which makes their weight `accumulation` times as large: what the code released with
   * the LPR paper does, where only the cross entropy is divided by the number of micro-batches.
   */
  readonly accumulatedTerms?: 'mean' | 'sum';
  /** Decides the noise of variational routers. */
  readonly seed: number;
  /** Peak learning rate. */
  readonly learningRate: number;
  readonly schedule: Schedule;
  /** Schedules of a run that was lengthened, before this one, in the order in which they hold; none unless given. */
  readonly earlier?: readonly EarlierSchedule[];
  readonly optimizer?: Partial<AdamWOptions>;
}

/** Training stopped because the loss or a gradient is no longer a finite number, or the loss spiked. */
export class DivergedError extends Error {
  override readonly name: string = 'DivergedError';
  /** The step that went wrong, from 1. */
  readonly step: number;

  constructor(step: number, message: string) {
    super(message);
    this.step = step;
  }
}

/** Takes the training steps of a decoder, each from the batches of its number alone. */
export class Trainer {
  readonly decoder: Decoder;
  readonly optimizer: AdamW;
  readonly #options: TrainerOptions;
  readonly #noise: RandomKey;
  #liveBuffers: number | null = null;

  constructor(options: TrainerOptions) {
    this.#options = options;
    this.decoder = options.decoder;
    this.optimizer = new AdamW(options.decoder.device, options.decoder.parameters, options.optimizer);
    this.#noise = RandomKey.fromSeed(options.seed).fold('noise');
  }

  /** Steps recorded so far; a checkpoint restores it through `optimizer.importState`. */
  get step(): number {
    return this.optimizer.steps;
  }

  /**
   * Records the next step and gives its report as soon as the device has run it.
   *
   * @throws (in the promise) DivergedError when the loss or the gradient norm is not finite
   */
  recordStep(): Promise<StepReport> {
    const index = this.step;
    const batches = this.batchesOf(index);
    const learningRate = this.learningRateAt(index);
    const { device } = this.decoder;
    const reads = scope(device, () => {
      const { values, counts, terms, statistics } = this.#accumulate(index, batches);
      const gradientNorm = labelled(device, 'optimizer', () => this.optimizer.step(learningRate));
      labelled(device, 'router', () => this.decoder.afterStep(statistics));
      return { terms, values: joined([gradientNorm, values]).data(), counts: readCounts(counts) };
    });
    this.#checkLeaks();
    const tokens = batches.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
    return report(index + 1, tokens, learningRate, reads);
  }

  /** The micro-batches of a step, counted from 0. */
  batchesOf(index: number): Batch[] {
    const { stream, accumulation = 1 } = this.#options;
    return Array.from({ length: accumulation }, (_, i) => stream.batchAt(index * accumulation + i));
  }

  /** The learning rate of a step, counted from 0. */
  learningRateAt(index: number): number {
    const { learningRate, schedule, earlier = [] } = this.#options;
    const held = earlier.find(({ until }) => index < until)?.schedule ?? schedule;
    return learningRate * learningRateFactor(held, index);
  }

  /** The noise of a step, counted from 0; each micro-batch draws its tokens' share of it. */
  noiseOf(index: number): RandomKey {
    return this.#noise.fold(index);
  }

  /**
   * Computes a step, counted from 0, as far as its gradients and leaves them in the parameters; nothing is updated. To
   * look into a step that went wrong.
   *
   * @param observe told of the activations of its forward passes
   */
  inspectStep(index: number, observe: Observer): void {
    scope(this.decoder.device, () => {
      this.#accumulate(index, this.batchesOf(index), observe);
    });
  }

  /** Leaves the gradients of all micro-batches in the parameters. */
  #accumulate(index: number, batches: readonly Batch[], observe?: Observer): StepSums {
    const { decoder } = this;
    const { device } = decoder;
    const shares = labelShares(batches);
    const parts = this.#partsOf(index, batches);
    const all = batches.map((batch, place) =>
      // A scope each, so that no more than one micro-batch is in memory.
      scope(device, (): StepSums => {
        const part = parts?.[place];
        const noise = this.noiseOf(index);
        // A micro-batch that stands for itself has noise of its own.
        const context = {
          training: true,
          ...(part ? { noise, part } : { noise: place === 0 ? noise : noise.fold(place) }),
          ...(observe && { observe }),
        };
        const output = decoder.forward(uploadBatch(decoder, batch), context);
        const ofTokens = part === undefined ? 1 : batch.inputIds.length / part.tokens;
        const objective = shareOfObjective(output, shares[place]!, ofTokens);
        for (const { name, layer, value } of output.losses) {
          observe?.(`the loss term ${name}${layer === null ? '' : ` of layer ${layer}`}`, value);
        }
        observe?.('the loss', objective);
        backward(objective);
        const scalars = [
          objective,
          affine(output.taskLoss, shares[place]!),
          ...output.losses.map(({ value }) => affine(value, ofTokens)),
        ];
        const terms = output.losses.map(({ name, layer, weight }) => ({ name, layer, weight }));
        return { terms, values: joined(scalars), counts: output.counts, statistics: output.statistics };
      }),
    );
    return {
      terms: all[0]!.terms,
      values: all.map(({ values }) => values).reduce((a, b) => add(a, b)),
      counts: all.map(({ counts }) => counts).reduce((a, b) => a.map((count, layer) => addCounts(count, b[layer]!))),
      statistics: mergeStatistics(all.map(({ statistics }) => statistics)),
    };
  }

  /**
   * Where each micro-batch lies in its step, with what its losses read of the others; null where each stands for
   * itself.
   */
  #partsOf(index: number, batches: readonly Batch[]): DecoderPart[] | null {
    if (batches.length === 1 || this.#options.accumulatedTerms === 'sum') return null;
    const { decoder } = this;
    const tokens = batches.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
    let first = 0;
    const parts = batches.map(({ inputIds }): DecoderPart => {
      const part = { first, tokens };
      first += inputIds.length;
      return part;
    });
    if (!decoder.poolsLosses) return parts;
    const noise = this.noiseOf(index);
    const surveys = batches.map((batch, place) =>
      scope(decoder.device, () =>
        decoder.survey(uploadBatch(decoder, batch).inputIds, { training: true, noise, part: parts[place]! }),
      ),
    );
    const statistics = mergeStatistics(surveys);
    return parts.map((part) => ({ ...part, statistics }));
  }

  /** Frees the optimiser's state; the decoder stays. */
  dispose(): void {
    this.optimizer.dispose();
  }

  #checkLeaks(): void {
    const { liveBuffers } = this.decoder.device.memory;
    if (this.#liveBuffers !== null && liveBuffers !== this.#liveBuffers) {
      throw new Error(
        `Trainer: step ${this.step} left ${liveBuffers} live buffers, the step before ${this.#liveBuffers}; something in the model keeps tensors`,
      );
    }
    this.#liveBuffers = liveBuffers;
  }
}

/** Frees the gradients that `backward` left in the parameters. */
export function dropGradients({ parameters }: Decoder): void {
  for (const parameter of parameters.values()) {
    parameter.grad?.dispose();
    parameter.grad = null;
  }
}

/** A batch as tensors of the decoder's device. */
export function uploadBatch(decoder: Decoder, batch: Batch): { inputIds: Tensor; labels: Tensor } {
  const shape = [batch.batch, batch.sequenceLength];
  return {
    inputIds: tensor(decoder.device, batch.inputIds, shape),
    labels: tensor(decoder.device, batch.labels, shape),
  };
}

/** What the micro-batches of a step add up to. */
interface StepSums {
  readonly terms: readonly Omit<LayerLoss, 'value'>[];
  /** f32: objective, cross entropy, the raw terms. */
  readonly values: Tensor;
  /** i32 `[M]` of each layer. */
  readonly counts: readonly Tensor[];
  /** What the routers' updates read, a layer each. */
  readonly statistics: readonly RoutingStatistics[];
}

/**
 * The share of each micro-batch in the labels of a step: what its mean cross entropy weighs in the mean over the step.
 */
function labelShares(batches: readonly Batch[]): number[] {
  const counts = batches.map(countLabels);
  const total = counts.reduce((a, b) => a + b, 0);
  if (counts.includes(0)) throw new RangeError('Trainer: a batch has no label to learn from; each needs at least one');
  return counts.map((count) => count / total);
}

/** Labels of a batch that enter its loss: all but -100, as in `linearCrossEntropy`. */
export function countLabels({ labels }: Batch): number {
  return labels.reduce((sum, label) => sum + (label === -100 ? 0 : 1), 0);
}

/**
 * What a micro-batch adds to the objective of its step: cross entropy by its share of the labels, every other term by
 * `part`.
 */
function shareOfObjective({ taskLoss, totalLoss }: DecoderOutput, share: number, part: number): Tensor {
  const scaled = part === 1 ? totalLoss : affine(totalLoss, part);
  return share === part ? scaled : add(scaled, affine(taskLoss, share - part));
}

function addCounts(a: Tensor, b: Tensor): Tensor {
  // f32 is exact here: a step has fewer than 2^24 choices of one expert.
  return cast(add(cast(a, 'f32'), cast(b, 'f32')), 'i32');
}

/** Reads the load counts of all layers at once; to be called inside of a scope. */
export async function readCounts(counts: readonly Tensor[]): Promise<Int32Array[]> {
  if (counts.length === 0) return [];
  const experts = counts[0]!.size;
  const data = (await joined(counts).data()) as Int32Array;
  return counts.map((_, layer) => data.slice(layer * experts, (layer + 1) * experts));
}

/** All elements of some tensors, one after the other. */
export function joined(tensors: readonly Tensor[]): Tensor {
  return concatenate(
    tensors.map((x) => reshape(x, [x.size])),
    0,
  );
}

async function report(
  step: number,
  tokens: number,
  learningRate: number,
  reads: {
    terms: StepSums['terms'];
    values: Promise<ArrayLike<number>>;
    counts: Promise<Int32Array[]>;
  },
): Promise<StepReport> {
  const [values, counts] = await Promise.all([reads.values, reads.counts]);
  const [gradientNorm, totalLoss, loss, ...raw] = Array.from(values) as [number, number, number, ...number[]];
  const terms = reads.terms.map(({ name, layer, weight }, i) => ({
    name,
    layer,
    raw: raw[i]!,
    weighted: weight * raw[i]!,
  }));
  if (![totalLoss, gradientNorm].every(Number.isFinite)) {
    const listed = terms
      .map(({ name, layer, raw }) => `${name}${layer === null ? '' : `[${layer}]`} ${raw}`)
      .join(', ');
    throw new DivergedError(
      step,
      `training diverged at step ${step}: cross entropy ${loss}, objective ${totalLoss}, gradient norm ${gradientNorm}` +
        `${listed === '' ? '' : ` (${listed})`}. Lower the learning rate (${learningRate} at this step) or lengthen the warm-up`,
    );
  }
  return { step, tokens, loss, totalLoss, terms, gradientNorm, learningRate, counts };
}
