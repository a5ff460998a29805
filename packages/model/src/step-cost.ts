/**
 * What a training step costs several ranks before it runs: floating-point operations, bytes that are sent and moved,
 * and time by a model of four terms, compute, memory, all-to-all and all-reduce.
 *
 * With m micro-batches of T tokens a rank, N ranks, P numbers that all ranks hold and E of experts that a rank owns
 * alone, M bytes of the two moments of a number, F operations a second, W bytes a second from and to a rank's memory,
 * and a network of B bytes a second and A seconds a message for each rank:
 *
 *     compute    = m T (f_other + load f_experts) / F
 *     memory     = ((12 + 2 M) (P + E) + 4 P (m (N + 2) - 1) / N + 12 E (N m - 1) + 2 sent) / W
 *     all-to-all = sum over layers and micro-batches of passes (load bytes / B + (N - 1) A)
 *     all-reduce = 4 P (N - 1) / N (m + 1) / B, of which what is sent while the backward pass goes on costs nothing
 *
 * `load` is what the rank with the most rows has over the mean: all wait for it, and its rows are the most to receive.
 * Memory: the optimiser reads a weight, its gradient and its two moments and writes all but the gradient; who owns a
 * part of the gradients reads what N ranks have for it and the sum, and writes that; and a byte that is sent is read
 * and written once on the way, which is the processors' work where ranks share a machine.
 */
import { sizeOf } from '@lpr/tensor';
import { heldShape, MOMENT_BYTES, type MomentType } from '@lpr/tensor/nn';
import { type DecoderConfig, planDecoder } from './families/index.ts';
import { predictFlops } from './flops.ts';
import { decoderParameters } from './parameters.ts';
import { type DecoderPlan, poolsLosses } from './plan.ts';

/** Ranks, and what they compute and send with. */
export interface RankedStep {
  readonly ranks: number;
  /** Whether each owns some of the experts; else each has all. */
  readonly expertParallel: boolean;
  /** How gradients are added up; 'ordered' unless given. */
  readonly reduction?: 'ordered' | 'allReduce';
  /** How AdamW keeps its moments; float32 unless given. */
  readonly moments?: MomentType | undefined;
  /** Micro-batches that each rank computes a step. */
  readonly microBatches: number;
  /** Sequences of a micro-batch. */
  readonly batch: number;
  readonly sequence: number;
  /** Rows of the rank whose experts get the most over the mean; 1 unless given, and where each has all experts. */
  readonly load?: number;
}

export interface RankMachine {
  /** Floating-point operations a second and rank. */
  readonly flops: number;
  /** Bytes a second and rank that its processor moves from and to its memory. */
  readonly memory: number;
  /** Bytes a second that each rank can send while it receives as many. */
  readonly bandwidth: number;
  /** Seconds from one rank to another, however little is sent. */
  readonly latency: number;
}

export interface RankCost {
  /** Floating-point operations of the slowest rank, a step. */
  readonly flops: number;
  /** Bytes that a rank sends a step: gradients, and rows on their way to experts and back. */
  readonly sentGradients: number;
  readonly sentTokens: number;
  /** Bytes that a rank moves from and to its memory for the optimiser, sums of gradients and messages. */
  readonly moved: number;
}

export interface StepTime {
  /** Seconds, each. */
  readonly compute: number;
  /** Of `compute`, what is there because the slowest rank has more rows than the mean. */
  readonly imbalance: number;
  /** What the optimiser, sums of gradients and the copies of messages take. */
  readonly memory: number;
  readonly allToAll: number;
  /** What the gradients take beyond the backward pass. */
  readonly allReduce: number;
  readonly total: number;
}

/** Of f32 and i32. */
const BYTES = 4;

/** Operations and bytes of a step. */
export function rankCost(config: DecoderConfig, step: RankedStep): RankCost {
  const { ranks, microBatches, reduction = 'ordered' } = step;
  const plan = planDecoder(config);
  const { other, experts } = flopsOf(config, plan, step);
  const away = (ranks - 1) / ranks;
  const times = reduction === 'ordered' ? microBatches + 1 : 2;
  const { bytes } = exchangesOf(plan, step);
  const sentGradients = BYTES * numbersOf(plan, step).common * times * away;
  const sentTokens = bytes * away;
  return {
    flops: other + loadOf(step) * experts,
    sentGradients,
    sentTokens,
    moved: movedNumbers(plan, step) * BYTES + 2 * (sentGradients + loadOf(step) * sentTokens),
  };
}

/** Numbers from and to memory for the optimiser and for the sums of gradients. */
function movedNumbers(plan: DecoderPlan, step: RankedStep): number {
  const { ranks, microBatches, reduction = 'ordered', moments = 'float32' } = step;
  const { own, common } = numbersOf(plan, step);
  // A sum reads two numbers and writes one.
  const added = (numbers: number, times: number): number => 3 * numbers * (times - 1);
  const ordered = ranks > 1 && reduction === 'ordered';
  return (
    (3 + (2 * MOMENT_BYTES[moments]) / BYTES) * (own + common) +
    (ordered
      ? (common / ranks) * (microBatches * (ranks + 2) - 1)
      : added(common, microBatches) + added(common / ranks, ranks)) +
    added(own, ranks * microBatches)
  );
}

/** Time of a step by part. */
export function stepTime(config: DecoderConfig, step: RankedStep, machine: RankMachine): StepTime {
  const { ranks, microBatches, reduction = 'ordered' } = step;
  const plan = planDecoder(config);
  const load = loadOf(step);
  const { other, experts } = flopsOf(config, plan, step);
  const { flops, bandwidth, latency, memory } = machine;
  const compute = (other + load * experts) / flops;
  const { sentGradients, sentTokens, moved } = rankCost(config, step);
  const { calls } = exchangesOf(plan, step);
  const allToAll = (load * sentTokens) / bandwidth + calls * (ranks - 1) * latency;
  // All but the last sums go while the device computes the backward pass: two thirds of a step.
  const hidden = reduction === 'ordered' ? (sentGradients * microBatches) / (microBatches + 1) / bandwidth : 0;
  const allReduce = sentGradients / bandwidth - Math.min(hidden, (2 / 3) * compute);
  const times = { compute, memory: moved / memory, allToAll, allReduce };
  const total = Object.values(times).reduce((sum, time) => sum + time, 0);
  return { ...times, imbalance: ((load - 1) * experts) / flops, total };
}

function loadOf({ ranks, expertParallel, load = 1 }: RankedStep): number {
  return expertParallel && ranks > 1 ? load : 1;
}

/** Operations of a rank that gets as many rows as the mean: those of experts, and all others. */
function flopsOf(
  config: DecoderConfig,
  plan: DecoderPlan,
  step: RankedStep,
): { readonly other: number; readonly experts: number } {
  const { microBatches, batch, sequence } = step;
  const perToken = predictFlops(config, { sequence });
  const tokens = microBatches * batch * sequence;
  // A survey of all micro-batches is a forward pass more, without the head.
  const survey = isSurveyed(plan, step) ? 1 : 0;
  return {
    other: tokens * (3 * (perToken.forward - perToken.experts) + survey * (perToken.withoutHead - perToken.experts)),
    experts: tokens * (3 + survey) * perToken.experts,
  };
}

/** Bytes of rows that a rank sends if all of them leave it, and how often all ranks exchange something. */
function exchangesOf(plan: DecoderPlan, step: RankedStep): { readonly bytes: number; readonly calls: number } {
  const { ranks, expertParallel, microBatches, batch, sequence } = step;
  if (!expertParallel || ranks === 1) return { bytes: 0, calls: 0 };
  // There and back, forwards and backwards; a survey goes forwards alone.
  const passes = isSurveyed(plan, step) ? 3 : 2;
  const layers = plan.layers.flatMap(({ feedForward }) => (feedForward.kind === 'moe' ? [feedForward] : []));
  const width = ({ expertLatentDim }: (typeof layers)[number]): number =>
    expertLatentDim === null ? 2 * plan.hidden : 3 * expertLatentDim;
  const rowBytes = layers.reduce((sum, layer) => sum + layer.topK * width(layer) * BYTES, 0);
  return {
    bytes: passes * microBatches * batch * sequence * rowBytes,
    // Rows there and back, and forwards the counts before them.
    calls: microBatches * layers.length * (3 * (passes - 1) + 2),
  };
}

/** Whether all micro-batches are routed before the first is differentiated, since losses read the loads of all. */
function isSurveyed(plan: DecoderPlan, { ranks, microBatches }: RankedStep): boolean {
  return ranks * microBatches > 1 && poolsLosses(plan);
}

/** Trained numbers of the rank that holds the most: of experts that others do not have, and those that all have. */
export function numbersOfRank(
  config: DecoderConfig,
  step: Pick<RankedStep, 'ranks' | 'expertParallel'>,
): { readonly own: number; readonly common: number } {
  return numbersOf(planDecoder(config), step);
}

function numbersOf(
  plan: DecoderPlan,
  { ranks, expertParallel }: Pick<RankedStep, 'ranks' | 'expertParallel'>,
): { readonly own: number; readonly common: number } {
  const trained = decoderParameters(plan, expertParallel ? { rank: ranks - 1, size: ranks } : null).filter(
    (spec) => spec.trained,
  );
  const sum = (isOwn: boolean): number =>
    trained.reduce((total, spec) => total + ((spec.rows !== undefined) === isOwn ? sizeOf(heldShape(spec)) : 0), 0);
  return { own: sum(true), common: sum(false) };
}
