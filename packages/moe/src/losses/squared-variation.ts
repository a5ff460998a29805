/**
 * How unevenly a quantity is spread over experts: the squared coefficient of variation that Shazeer et al. (2017, arXiv
 * 1701.06538, equations 7 and 11) balance importance and load by.
 */
import { add, affine, multiply, reciprocal, square, subtract, sum, type Tensor } from '@lpr/tensor';
import { withoutGradients } from '@lpr/tensor/nn';
import { type BatchPart, overWhole, tokensOfWhole } from '../statistics.ts';

/** Keeps the quotient finite where no expert has anything. */
const SMALLEST_TOTAL = 1e-20;

/**
 * `Var(s) / mean(s)^2 = M sum_e s_e^2 / (sum_e s_e)^2 - 1`, of what all tokens of a batch give each expert; a scalar.
 * `shares` `[tokens, M]`, at least 0. Of a part of a batch, an estimate whose mean over parts, and whose gradient, is
 * that of the whole; that then needs the `name` among its sums (`sumsOfShares`).
 */
export function squaredVariation(shares: Tensor, name: string, part: BatchPart | undefined): Tensor {
  const [tokens = 0, experts = 0] = shares.shape;
  const own = sum(shares, 0);
  const { value, slope } = withoutGradients(shares.device, () => {
    const whole = overWhole(part, 'sums', name, own);
    const perTotal = reciprocal(affine(sum(whole), 1, SMALLEST_TOTAL));
    const fractions = multiply(whole, perTotal);
    return {
      value: affine(sum(square(affine(fractions, 1, -1 / experts))), experts),
      slope: multiply(subtract(fractions, sum(square(fractions))), affine(perTotal, 2 * experts)),
    };
  });
  // The measure does not change with the size of the batch, so its slope along the sums themselves is 0: what a part
  // adds here is 0 in the mean over parts, and its gradient is that of the whole.
  return add(value, affine(sum(multiply(slope, own)), tokensOfWhole(part, tokens) / tokens));
}

/** What the loss of the same shares reads of the other parts of a batch, `[M]`. */
export function sumsOfShares(shares: Tensor): Tensor {
  return withoutGradients(shares.device, () => sum(shares, 0));
}
