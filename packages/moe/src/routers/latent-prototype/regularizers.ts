/**
 * The regularisers of Latent Prototype Routing, each a scalar tensor without its weight: KL divergence and alignments;
 * diversity.ts has the others.
 */
import {
  abs,
  add,
  affine,
  divide,
  exp,
  maximum,
  mean,
  minimum,
  multiply,
  reshape,
  scatterAlongRows,
  softmax,
  square,
  subtract,
  sum,
  type Tensor,
} from '@lpr/tensor';
import { unitRows, withoutGradients } from '@lpr/tensor/nn';
import { FAR } from '../../selection.ts';

/**
 * KL divergence of N(mu, exp(logvar)) from N(0, I), mean over tokens (equation 13): `1/2 sum_d (mu^2 + exp(logvar) -
 * logvar - 1)`. mu and logvar `[tokens, D]`.
 */
export function klToStandardNormal(mu: Tensor, logvar: Tensor): Tensor {
  const [tokens = 0, latentDim = 0] = mu.shape;
  const total = subtract(sum(add(square(mu), exp(logvar))), sum(logvar));
  return affine(total, 0.5 / tokens, -0.5 * latentDim);
}

/**
 * Equations 15-17: `|| stopgrad(z) - aggregate ||^2`, summed over tokens and dimensions, where aggregate `[tokens, D]`
 * are the prototypes mixed by the softmax over all scores. The gradient also flows through the mixing weights.
 */
export function alignmentOfMixture(z: Tensor, aggregate: Tensor): Tensor {
  const target = withoutGradients(z.device, () => affine(z, 1));
  return sum(square(subtract(target, aggregate)));
}

/**
 * The released code's assignment `[tokens, M]` of tokens to experts. 'zeroFilled', as it stands there: softmax over all
 * experts of the chosen scores with 0 in place of all others, which leaves most of the mass with experts that were not
 * chosen. 'chosenOnly': minus infinity in place of the others. No gradient.
 */
export function assignmentOf(
  chosenScores: Tensor,
  experts: Tensor,
  count: number,
  fill: 'zeroFilled' | 'chosenOnly',
): Tensor {
  return withoutGradients(chosenScores.device, () =>
    softmax(scatterAlongRows(chosenScores, experts, count, fill === 'zeroFilled' ? 0 : -FAR)),
  );
}

/**
 * What the released code computes: mean absolute difference between keys and target, both `[M, D]`; the target is
 * `stopgrad(R^T z)`, a sum over tokens, where R `[tokens, M]` is the assignment. Only the keys get a gradient.
 */
export function alignmentOfSums(keys: Tensor, target: Tensor): Tensor {
  return mean(abs(subtract(keys, target)));
}

/** What alignments compare prototypes with: sums over the tokens of each expert, `[M, D]`, and its load f32 `[M]`. */
export interface AssignedSums {
  readonly sums: Tensor;
  readonly counts: Tensor;
}

/**
 * Mean over the experts that got tokens of `| k_e - c_e |^2 = 2 - 2 k_e . c_e`, where k_e is the unit prototype and c_e
 * the unit mean of the unit latents of its tokens, held constant. Does not grow with the batch, and an expert without
 * tokens is left alone.
 *
 * unitKeys `[M, D]`; the sums are of unit latents.
 */
export function alignmentOfAssignedMeans(unitKeys: Tensor, { sums, counts }: AssignedSums): Tensor {
  const { centres, busy } = withoutGradients(unitKeys.device, () => ({
    // The unit vector of a sum is that of the mean; without tokens it is 0, which drops the expert out of the products
    // below.
    centres: unitRows(sums),
    busy: sum(minimum(counts, 1)),
  }));
  return affine(divide(sum(multiply(unitKeys, centres)), busy), -2, 2);
}

/**
 * The same without unit rows, for measures that are not about directions: mean over the experts that got tokens of the
 * mean over D of `(k_e - c_e)^2`.
 */
export function alignmentOfAssignedCentres(keys: Tensor, { sums, counts }: AssignedSums): Tensor {
  const { centres, present } = withoutGradients(keys.device, () => {
    const load = reshape(counts, [counts.size, 1]);
    return { centres: divide(sums, maximum(load, 1)), present: minimum(load, 1) };
  });
  const distances = mean(square(subtract(keys, centres)), 1, { keepAxis: true });
  return divide(sum(multiply(distances, present)), sum(present));
}
