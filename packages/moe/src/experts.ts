/**
 * The experts: gated MLPs with stacked weights, run on the tokens that chose them. Nothing is dropped here: slots
 * without an expert come so from the router.
 */
import { combineRows, dispatchRows, groupedLinear, swiGlu, type SegmentPlan, type Tensor } from '@lpr/tensor';
import { type ParameterSpec, weightSpec } from '@lpr/tensor/nn';

export interface ExpertsShape {
  readonly hidden: number;
  readonly experts: number;
  /** Inner width of an expert, I. */
  readonly width: number;
}

/**
 * `gate_up_proj` `[M, 2I, H]` (gate first) and `down_proj` `[M, H, I]`, the stacked layout of Hugging Face transformers
 * 5.
 */
export function expertParameters({ hidden, experts, width }: ExpertsShape): ParameterSpec[] {
  return [weightSpec('gate_up_proj', [experts, 2 * width, hidden]), weightSpec('down_proj', [experts, hidden, width])];
}

/**
 * `y[t] = sum_j weights[t, j] * E(x[t])` over the experts that token t chose, `E(x) = down(silu(gate x) * up x)`.
 * Token-expert pairs are sorted by expert as the plan says, each expert's rows go through its own matrices at once, and
 * the results are added up per token.
 *
 * Slots that hold no expert (choices.ts) sort behind all experts, and have weight 0.
 *
 * x `[tokens, H]`, gateUp `[M, 2I, H]`, down `[M, H, I]`, weights `[tokens, k]`, plan over the `[tokens, k]` choices;
 * gives `[tokens, H]`.
 */
export function runExperts(x: Tensor, gateUp: Tensor, down: Tensor, weights: Tensor, plan: SegmentPlan): Tensor {
  const inner = swiGlu(groupedLinear(dispatchRows(x, plan), gateUp, plan));
  return combineRows(groupedLinear(inner, down, plan), weights, plan);
}
