/** The three regularisers of Latent Prototype Routing, each a scalar tensor without its weight. */
import {
  abs,
  add,
  affine,
  cast,
  divide,
  exp,
  matmul,
  mean,
  minimum,
  multiply,
  scatterAlongRows,
  segmentSum,
  type SegmentPlan,
  softmax,
  square,
  subtract,
  sum,
  type Tensor,
} from '@lpr/tensor';
import { withoutGradients } from '../../graph.ts';
import { unitRows } from '../../unitRows.ts';

/**
 * KL divergence of N(mu, exp(logvar)) from N(0, I), mean over tokens (equation 13): `1/2 sum_d (mu^2 + exp(logvar) - logvar - 1)`.
 * mu and logvar `[tokens, D]`.
 */
export function klToStandardNormal(mu: Tensor, logvar: Tensor): Tensor {
  const [tokens = 0, latentDim = 0] = mu.shape;
  const total = subtract(sum(add(square(mu), exp(logvar))), sum(logvar));
  return affine(total, 0.5 / tokens, -0.5 * latentDim);
}

export interface OrthogonalityOptions {
  /** Whether every row has length 1. */
  readonly unit: boolean;
  /** Add the N^2 entries up, or average them. */
  readonly reduce: 'sum' | 'mean';
}

/**
 * `|| A A^T - I ||_F^2` for rows A `[N, D]` (equation 14). The N x N matrix is never made: the sum is exactly
 * `|| A^T A ||_F^2 - 2 || A ||_F^2 + N`, in O(N D^2), and `|| A ||_F^2` is N where rows have length 1.
 */
export function orthogonality(rows: Tensor, { unit, reduce }: OrthogonalityOptions): Tensor {
  const [count = 0] = rows.shape;
  const scale = reduce === 'mean' ? 1 / count ** 2 : 1;
  const squaredGram = sum(square(matmul(rows, rows, { transposeA: true })));
  if (unit) return affine(squaredGram, scale, -count * scale);
  return affine(subtract(squaredGram, affine(sum(square(rows)), 2)), scale, count * scale);
}

/**
 * Equations 15-17: `|| stopgrad(z) - aggregate ||^2`, summed over tokens and dimensions, where aggregate `[tokens, D]` are the prototypes mixed by the
 * softmax over all scores. The gradient also flows through the mixing weights.
 */
export function alignmentOfMixture(z: Tensor, aggregate: Tensor): Tensor {
  const target = withoutGradients(z.device, () => affine(z, 1));
  return sum(square(subtract(target, aggregate)));
}

export interface ZeroFilledRouting {
  /** `[tokens, M]`: softmax over all experts of the chosen scores, with 0 in place of all others. */
  readonly routing: Tensor;
  readonly loss: Tensor;
}

/**
 * What the released code computes: mean absolute difference between keys `[M, D]` and `stopgrad(R^T z)`, a sum over tokens; R is the softmax of a
 * vector that holds the k chosen scores and 0 elsewhere. Only the keys get a gradient.
 */
export function alignmentOfSums(keys: Tensor, z: Tensor, chosenScores: Tensor, experts: Tensor): ZeroFilledRouting {
  const { routing, target } = withoutGradients(keys.device, () => {
    const routing = softmax(scatterAlongRows(chosenScores, experts, keys.shape[0]!));
    return { routing, target: matmul(routing, z, { transposeA: true }) };
  });
  return { routing, loss: mean(abs(subtract(keys, target))) };
}

/**
 * Mean over the experts that got tokens of `| k_e - c_e |^2 = 2 - 2 k_e . c_e`, where k_e is the unit prototype and c_e the unit mean of the unit
 * latents of its tokens, held constant. Does not grow with the batch, and an expert without tokens is left alone.
 *
 * unitKeys `[M, D]`, unitLatents `[tokens, D]`.
 */
export function alignmentOfAssignedMeans(unitKeys: Tensor, unitLatents: Tensor, plan: SegmentPlan): Tensor {
  const { centres, busy } = withoutGradients(unitKeys.device, () => ({
    // The unit vector of a sum is that of the mean; without tokens it is 0, which drops the expert out of the products below.
    centres: unitRows(segmentSum(unitLatents, plan)),
    busy: sum(minimum(cast(plan.counts, 'f32'), 1)),
  }));
  return affine(divide(sum(multiply(unitKeys, centres)), busy), -2, 2);
}
