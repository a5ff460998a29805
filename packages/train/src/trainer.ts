/**
 * One training step after the other on a decoder: forward, backward, clip, AdamW, the routers' own updates.
 *
 * A step is only recorded on the device; what is read back of it (a handful of numbers and the load counts) arrives as
 * a promise. A loop that records step i + 1 before it awaits the report of step i keeps the device busy. All randomness
 * of a step comes from the seed and the step's number, so a trainer that was set back to a step repeats it bit for bit.
 */
import type { Batch, BatchStream } from '@lpr/data';
import type { Decoder, ModelParameter, Observer } from '@lpr/model';
import { mergeStatistics } from '@lpr/moe';
import { atOnce, RandomKey, scope, sizeOf, type Tensor } from '@lpr/tensor';
import { AdamW, type AdamWOptions, labelled } from '@lpr/tensor/nn';
import {
  addUp,
  differentiate,
  joined,
  type MicroBatch,
  microBatchesOf,
  needSurvey,
  type StepSums,
  surveyOf,
  withStatistics,
} from './micro-batches.ts';
import { accumulateShared, type Team } from './parallel/accumulate.ts';
import { type RanksReport, ranksReport } from './parallel/ranks-report.ts';
import { normOverRanks } from './parallel/shared-experts.ts';
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
  /** Where several ranks took the step together: what they sent, and how they waited for each other. */
  readonly ranks?: RanksReport;
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
    const { device, parameters, layout } = options.decoder;
    this.optimizer = new AdamW(device, parameters, options.optimizer, startsIn(layout));
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
    const parts = this.#microBatches(index);
    const reads = scope(this.decoder.device, () => this.#update(index, this.#accumulate(parts)));
    return this.#reported(index, parts, reads);
  }

  /**
   * The same with other ranks, whose trainers call it too, each for some of the micro-batches: all ranks end with the
   * bits that `recordStep` gives one alone, but for the norm of the gradients where each owns some experts, whose last
   * bit may be another. Resolves when the step is recorded.
   */
  async recordSharedStep(team: Team): Promise<{ readonly report: Promise<StepReport> }> {
    const index = this.step;
    const parts = this.#microBatches(index);
    const { communicator, experts = null } = team;
    const sentBefore = communicator.bytesSent;
    experts?.startStep();
    const reads = await scope(this.decoder.device, async () => {
      const sums = await accumulateShared(this.decoder, parts, team);
      const norm = this.decoder.experts === null ? undefined : await normOverRanks(this.decoder, communicator);
      return this.#update(index, sums, norm);
    });
    const ranks = await ranksReport(communicator, communicator.bytesSent - sentBefore, experts?.seen ?? null);
    return { report: this.#reported(index, parts, reads).then((step) => ({ ...step, ranks })) };
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
      this.#accumulate(this.#microBatches(index), observe);
    });
  }

  #microBatches(index: number): readonly MicroBatch[] {
    return microBatchesOf(this.batchesOf(index), this.noiseOf(index), this.#options.accumulatedTerms ?? 'mean');
  }

  /** Leaves the gradients of all micro-batches in the parameters. */
  #accumulate(parts: readonly MicroBatch[], observe?: Observer): StepSums {
    const { decoder } = this;
    const surveyed = needSurvey(decoder, parts)
      ? withStatistics(parts, mergeStatistics(parts.map((part) => atOnce(surveyOf(decoder, part)))))
      : parts;
    return addUp(surveyed.map((part) => atOnce(differentiate(decoder, part, { ...(observe && { observe }) }))));
  }

  /** Updates parameters and routers by the gradients that were left in the parameters. */
  #update(index: number, { terms, values, counts, statistics }: StepSums, norm?: Tensor): StepReads {
    const { device } = this.decoder;
    const gradientNorm = labelled(device, 'optimizer', () => this.optimizer.step(this.learningRateAt(index), norm));
    labelled(device, 'router', () => this.decoder.afterStep(statistics));
    return { terms, values: joined([gradientNorm, values]).data(), counts: readCounts(counts) };
  }

  #reported(index: number, parts: readonly MicroBatch[], reads: StepReads): Promise<StepReport> {
    this.#checkLeaks();
    const tokens = parts.reduce((sum, { batch }) => sum + batch.inputIds.length, 0);
    return report(index + 1, tokens, this.learningRateAt(index), reads);
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

/** Reads the load counts of all layers at once; to be called inside of a scope. */
export async function readCounts(counts: readonly Tensor[]): Promise<Int32Array[]> {
  if (counts.length === 0) return [];
  const experts = counts[0]!.size;
  const data = (await joined(counts).data()) as Int32Array;
  return counts.map((_, layer) => data.slice(layer * experts, (layer + 1) * experts));
}

/** What is read back of a step. */
interface StepReads {
  readonly terms: StepSums['terms'];
  readonly values: Promise<ArrayLike<number>>;
  readonly counts: Promise<Int32Array[]>;
}

async function report(step: number, tokens: number, learningRate: number, reads: StepReads): Promise<StepReport> {
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

/** The number of each tensor's first element among those of the whole model, of which this rank may hold a part. */
function startsIn(layout: readonly ModelParameter[]): Map<string, number> {
  let end = 0;
  return new Map(
    layout.map(({ name, shape, rows: [first] = [0, 0] }) => {
      const start = end + first * sizeOf(shape.slice(1));
      end += sizeOf(shape);
      return [name, start];
    }),
  );
}
