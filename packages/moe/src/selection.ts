/**
 * Choosing experts by score: the k best of all or of some groups of experts, with a bias that balances the load without
 * touching the weights.
 */
import {
  add,
  affine,
  assign,
  divide,
  full,
  minimum,
  reshape,
  scatterAlongRows,
  sign,
  subtract,
  sum,
  type Tensor,
  topK,
} from '@lpr/tensor';
import { withoutGradients } from '@lpr/tensor/nn';

/** Experts in groups of equal size, of which a token sees the best. */
export interface ExpertGroups {
  readonly groups: number;
  /** Groups that a token may choose from. */
  readonly keptGroups: number;
}

/** Larger than any score or price: stands for infinity, which GPU kernels need not know. */
export const FAR = 1e30;

/** Throws unless the groups divide M experts and the kept ones hold at least k. */
export function checkGroups(kind: string, { groups, keptGroups }: ExpertGroups, experts: number, k: number): void {
  if (experts % groups !== 0) {
    throw new RangeError(`${kind} router: groups must divide the ${experts} experts into equal parts, got ${groups}`);
  }
  if (keptGroups > groups || (keptGroups * experts) / groups < k) {
    throw new RangeError(
      `${kind} router: keptGroups must be at most groups (${groups}), and hold at least topK (${k}) of the ${experts} experts, got ${keptGroups}`,
    );
  }
}

/**
 * -1e30 in place of all scores `[tokens, M]` outside of the best groups of each token (DeepSeek-AI 2024, arXiv
 * 2412.19437, section 2.1.2): a group is as good as the sum of its two best scores. No gradient.
 */
export function limitToBestGroups(scores: Tensor, { groups, keptGroups }: ExpertGroups): Tensor {
  if (keptGroups === groups) return scores;
  const [tokens = 0, experts = 0] = scores.shape;
  return withoutGradients(scores.device, () => {
    const grouped = reshape(scores, [tokens, groups, experts / groups]);
    const merit = sum(topK(grouped, Math.min(2, experts / groups)).values, -1);
    const kept = topK(merit, keptGroups).indices;
    const ceiling = scatterAlongRows(full(scores.device, kept.shape, FAR), kept, groups, -FAR);
    return reshape(minimum(grouped, reshape(ceiling, [tokens, groups, 1])), scores.shape);
  });
}

/**
 * `b += rate sign(mean load - load)` (Wang et al. 2024, arXiv 2408.15664, algorithm 1); bias and load f32 `[M]`, of the
 * whole step.
 */
export function updateSelectionBias(bias: Tensor, load: Tensor, rate: number): void {
  withoutGradients(bias.device, () => {
    // Compared as whole numbers, M times the mean, so that rounding never moves a balanced expert.
    const missing = sign(subtract(sum(load), affine(load, load.size)));
    assign(bias, add(bias, affine(missing, rate)));
  });
}

/** Each row divided by its sum plus `epsilon`. */
export function normalizeRows(x: Tensor, epsilon = 0): Tensor {
  const total = sum(x, -1, { keepAxis: true });
  return divide(x, epsilon === 0 ? total : affine(total, 1, epsilon));
}
