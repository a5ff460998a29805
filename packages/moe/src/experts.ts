/**
 * The experts: gated MLPs with stacked weights, run on the tokens that chose them. Nothing is dropped here: slots
 * without an expert (choices.ts) come so from the router, sort behind all experts, and have weight 0.
 */
import { combineRows, dispatchRows, groupedLinear, swiGlu, type SegmentPlan, type Tensor } from '@lpr/tensor';
import { type ParameterSpec, tensorNamed, weightSpec } from '@lpr/tensor/nn';
import { areLatent, latentExpertParameters, latentExpertsOver } from './latent-experts.ts';

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

/**
 * What the experts add up to: x `[tokens, H]`, weights `[tokens, k]`, plan over the `[tokens, k]` choices; gives
 * `[tokens, H]`.
 */
export type RunExperts = (x: Tensor, weights: Tensor, plan: SegmentPlan) => Tensor;

/** The experts over tensors that `expertParameters` named, of either kind. */
export function expertsOver(tensors: ReadonlyMap<string, Tensor>): RunExperts {
  if (areLatent(tensors)) return latentExpertsOver(tensors);
  const [gateUp, down] = [tensorNamed(tensors, 'gate_up_proj'), tensorNamed(tensors, 'down_proj')];
  return (x, weights, plan) => runExperts(x, gateUp, down, weights, plan);
}

/**
 * `y[t] = sum_j weights[t, j] * E(x[t])` over the experts that token t chose, `E(x) = down(silu(gate x) * up x)`.
 * Token-expert pairs are sorted by expert as the plan says, each expert's rows go through its own matrices at once, and
 * the results are added up per token. gateUp `[M, 2I, H]`, down `[M, H, I]`.
 */
export function runExperts(x: Tensor, gateUp: Tensor, down: Tensor, weights: Tensor, plan: SegmentPlan): Tensor {
  const inner = swiGlu(groupedLinear(dispatchRows(x, plan), gateUp, plan));
  return combineRows(groupedLinear(inner, down, plan), weights, plan);
}
