/**
 * One training step after the other on a decoder: forward, backward, clip, AdamW, the routers' own updates.
 *
 * A step is only recorded on the device; what is read back of it (a handful of numbers and the load counts) arrives as a promise. A
 * loop that records step i + 1 before it awaits the report of step i keeps the device busy. All randomness of a step comes from the
 * seed and the step's number, so a trainer that was set back to a step repeats it bit for bit.
 */
import type { Batch, BatchStream } from '@lpr/data';
import type { Decoder, DecoderOutput } from '@lpr/model';
import { labelled } from '@lpr/moe';
import { backward, concatenate, RandomKey, reshape, scope, type Tensor, tensor } from '@lpr/tensor';
import { AdamW, type AdamWOptions } from './optimizer.ts';
import { learningRateFactor, type WarmupStableDecay } from './schedule.ts';

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
  /** Gives the batch of each step. */
  readonly stream: Pick<BatchStream, 'batchAt'>;
  /** Decides the noise of variational routers. */
  readonly seed: number;
  /** Peak learning rate. */
  readonly learningRate: number;
  readonly schedule: WarmupStableDecay;
  readonly optimizer?: Partial<AdamWOptions>;
}

/** Training stopped because the loss or a gradient is no longer a finite number. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';
}

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
    const batch = this.#options.stream.batchAt(index);
    const learningRate = this.#options.learningRate * learningRateFactor(this.#options.schedule, index);
    const { device } = this.decoder;
    const reads = scope(device, () => {
      const output = this.decoder.forward(uploadBatch(this.decoder, batch), {
        training: true,
        noise: this.#noise.fold(index),
      });
      backward(output.totalLoss);
      const gradientNorm = labelled(device, 'optimizer', () => this.optimizer.step(learningRate));
      labelled(device, 'router', () => this.decoder.afterStep(output.statistics));
      const terms = output.losses.map(({ name, layer, weight }) => ({ name, layer, weight }));
      return { terms, ...readOutput(output, [gradientNorm]) };
    });
    this.#checkLeaks();
    return report(index + 1, batch.inputIds.length, learningRate, reads);
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

/** A batch as tensors of the decoder's device. */
export function uploadBatch(decoder: Decoder, batch: Batch): { inputIds: Tensor; labels: Tensor } {
  const shape = [batch.batch, batch.sequenceLength];
  return {
    inputIds: tensor(decoder.device, batch.inputIds, shape),
    labels: tensor(decoder.device, batch.labels, shape),
  };
}

/** Starts reading the losses, the raw terms, further scalars, and the load counts: two reads for all of it. */
function readOutput(
  output: DecoderOutput,
  scalars: readonly Tensor[],
): { values: Promise<ArrayLike<number>>; counts: Promise<Int32Array[]> } {
  const all = [output.taskLoss, output.totalLoss, ...scalars, ...output.losses.map(({ value }) => value)];
  return { values: joined(all), counts: readCounts(output.counts) };
}

/** Reads the load counts of all layers at once; to be called inside of a scope. */
export async function readCounts(counts: readonly Tensor[]): Promise<Int32Array[]> {
  if (counts.length === 0) return [];
  const experts = counts[0]!.size;
  const data = (await joined(counts)) as Int32Array;
  return counts.map((_, layer) => data.slice(layer * experts, (layer + 1) * experts));
}

function joined(tensors: readonly Tensor[]): Promise<Float32Array | Int32Array> {
  return concatenate(
    tensors.map((x) => reshape(x, [x.size])),
    0,
  ).data();
}

async function report(
  step: number,
  tokens: number,
  learningRate: number,
  reads: {
    terms: readonly { name: string; layer: number | null; weight: number }[];
    values: Promise<ArrayLike<number>>;
    counts: Promise<Int32Array[]>;
  },
): Promise<StepReport> {
  const [values, counts] = await Promise.all([reads.values, reads.counts]);
  const [loss, totalLoss, gradientNorm, ...raw] = Array.from(values) as [number, number, number, ...number[]];
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
      `training diverged at step ${step}: cross entropy ${loss}, objective ${totalLoss}, gradient norm ${gradientNorm}` +
        `${listed === '' ? '' : ` (${listed})`}. Lower the learning rate (${learningRate} at this step) or lengthen the warm-up`,
    );
  }
  return { step, tokens, loss, totalLoss, terms, gradientNorm, learningRate, counts };
}
