/** The cumulative distribution of the standard normal, out of existing kernels. */
import { abs, add, affine, exp, multiply, reciprocal, sign, square, subtract, type Tensor } from '@lpr/tensor';
import { withoutGradients } from '@lpr/tensor/nn';

/**
 * Coefficients of `erf(x) = 1 - t (a1 + t (a2 + ...)) exp(-x^2)`, `t = 1 / (1 + p x)`, x at least 0; off by 1.5e-7 at
 * most (Abramowitz and Stegun 1964, Handbook of Mathematical Functions, 7.1.26).
 */
const P = 0.3275911;
const LOWER = [0.254829592, -0.284496736, 1.421413741, -1.453152027] as const;
const HIGHEST = 1.061405429;

/**
 * `Phi(x)`, the share of a standard normal below x, of any shape. Its gradient is the density `exp(-x^2 / 2) / sqrt(2
 * pi)` itself, not the approximation's.
 */
export function normalCdf(x: Tensor): Tensor {
  const { value, density, at } = withoutGradients(x.device, () => {
    const squared = square(x);
    const bell = exp(affine(squared, -0.5));
    // erf takes x / sqrt(2), whose square is the bell's exponent.
    const t = reciprocal(affine(abs(x), P * Math.SQRT1_2, 1));
    const series = LOWER.reduceRight((sum, each) => multiply(t, affine(sum, 1, each)), affine(t, HIGHEST));
    const erf = multiply(sign(x), affine(multiply(series, bell), -1, 1));
    return { value: affine(erf, 0.5, 0.5), density: affine(bell, 1 / Math.sqrt(2 * Math.PI)), at: affine(x, 1) };
  });
  return add(value, multiply(density, subtract(x, at)));
}
