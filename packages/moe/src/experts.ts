/**
 * The experts: gated MLPs with stacked weights, run on the tokens that chose them. Nothing is dropped here: slots
 * without an expert (choices.ts) come so from the router, sort behind all experts, and have weight 0.
 */
import {
  combineRows,
  concatenate,
  type Device,
  dispatchRows,
  groupedLinear,
  type Groups,
  pauseFor,
  type Pausing,
  type SegmentPlan,
  slice,
  swiGlu,
  type Tensor,
  zeros,
} from '@lpr/tensor';
import { type ParameterSpec, tensorNamed, weightSpec } from '@lpr/tensor/nn';
import { type ExpertRanks, throughRanks } from './expert-parallel.ts';
import { areLatent, latentExpertParameters, latentExpertSteps } from './latent-experts.ts';

export interface ExpertsShape {
  readonly hidden: number;
  readonly experts: number;
  /** Inner width of an expert, I. */
  readonly width: number;
  /**
   * Width of the space that all experts share (latent-experts.ts); without it, or with null, each has whole matrices of
   * its own.
   */
  readonly latentDim?: number | null;
}

/**
 * `gate_up_proj` `[M, 2I, H]` (gate first) and `down_proj` `[M, H, I]`, the stacked layout of Hugging Face transformers
 * 5; of latent experts those that latent-experts.ts names.
 */
export function expertParameters({ latentDim = null, ...shape }: ExpertsShape): ParameterSpec[] {
  if (latentDim !== null) return latentExpertParameters({ ...shape, latentDim });
  const { hidden, experts, width } = shape;
  return [weightSpec('gate_up_proj', [experts, 2 * width, hidden]), weightSpec('down_proj', [experts, hidden, width])];
}

/** The experts in the steps between which rows may travel; of either kind. */
export interface ExpertSteps {
  /** Width of the tokens, H. */
  readonly hidden: number;
  /** What is sent to the experts of x `[tokens, H]`: tensors of a row a token. */
  readonly sent: (x: Tensor) => readonly Tensor[];
  /** Runs what was sent, sorted by expert; gives `[rows, width]`. */
  readonly run: (rows: readonly Tensor[], groups: Groups) => Tensor;
  /** The layer's output from what its experts add up to for each token. */
  readonly output: (mixed: Tensor) => Tensor;
}

/** Over tensors that `expertParameters` named. */
export function expertSteps(tensors: ReadonlyMap<string, Tensor>): ExpertSteps {
  if (areLatent(tensors)) return latentExpertSteps(tensors);
  const [gateUp, down] = [tensorNamed(tensors, 'gate_up_proj'), tensorNamed(tensors, 'down_proj')];
  return plainSteps(gateUp, down);
}

function plainSteps(gateUp: Tensor, down: Tensor): ExpertSteps {
  return {
    hidden: down.shape[1]!,
    sent: (x) => [x],
    run: ([rows], groups) => groupedLinear(swiGlu(groupedLinear(rows!, gateUp, groups)), down, groups),
    output: (mixed) => mixed,
  };
}

/**
 * What the experts add up to: x `[tokens, H]`, weights `[tokens, k]`, plan over the `[tokens, k]` choices; gives
 * `[tokens, H]`. Token-expert pairs are sorted by expert as the plan says, each expert's rows go through its own
 * matrices at once, and the results are added up per token.
 */
export function mixExperts(steps: ExpertSteps, x: Tensor, weights: Tensor, plan: SegmentPlan): Tensor {
  const rows = steps.sent(x).map((each) => dispatchRows(each, plan));
  return steps.output(combineRows(steps.run(rows, plan), weights, plan));
}

/** The same where the experts lie on several ranks, of which each has tokens of its own, or none. */
export function* mixExpertsOfRanks(
  steps: ExpertSteps,
  x: Tensor,
  weights: Tensor,
  plan: SegmentPlan,
  experts: number,
  ranks: ExpertRanks,
): Pausing<Tensor> {
  const sent = steps.sent(x).map((each) => dispatchRows(each, plan));
  const counts = yield* pauseFor(plan.counts.dataI32());
  // Choices of no expert stay at home.
  const results = yield* throughOwners(steps, sent, counts.subarray(0, experts), ranks);
  return steps.output(combineRows(results, weights, plan));
}

/** This rank's part in a pass of others through the experts of a layer, without tokens of its own. */
export function* serveExperts(steps: ExpertSteps, device: Device, experts: number, ranks: ExpertRanks): Pausing<void> {
  yield* throughOwners(steps, steps.sent(zeros(device, [0, steps.hidden])), new Int32Array(experts), ranks);
}

function* throughOwners(
  { run }: ExpertSteps,
  sent: readonly Tensor[],
  counts: Int32Array,
  ranks: ExpertRanks,
): Pausing<Tensor> {
  const joined = sent.length === 1 ? sent[0]! : concatenate(sent, 1);
  const widths = sent.map(({ shape }) => shape[1]!);
  const apart = (rows: Tensor): Tensor[] => {
    if (widths.length === 1) return [rows];
    let end = 0;
    return widths.map((width) => slice(rows, 1, end, (end += width)));
  };
  return yield* throughRanks(joined, counts, (rows, groups) => run(apart(rows), groups), ranks);
}

/**
 * `y[t] = sum_j weights[t, j] * E(x[t])` over the experts that token t chose, `E(x) = down(silu(gate x) * up x)`.
 * gateUp `[M, 2I, H]`, down `[M, H, I]`.
 */
export function runExperts(x: Tensor, gateUp: Tensor, down: Tensor, weights: Tensor, plan: SegmentPlan): Tensor {
  return mixExperts(plainSteps(gateUp, down), x, weights, plan);
}
