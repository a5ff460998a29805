/**
 * The gamma function's logarithm, incomplete gamma and beta functions: tails of the chi-square distribution and of
 * Student's.
 */

/** Below it Stirling's series is not exact to rounding. */
const STIRLING_FROM = 15;

/**
 * `ln Gamma(x)` for x > 0, to about 1e-13 of its size (Stirling's series; smaller x by `Gamma(x + 1) = x Gamma(x)`).
 */
export function logGamma(x: number): number {
  let product = 1;
  let at = x;
  for (; at < STIRLING_FROM; at++) product *= at;
  const inverse = 1 / (at * at);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / at;
  return (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product);
}

/**
 * Regularised upper incomplete gamma function `Q(a, x) = 1 / Gamma(a) integral_x^inf t^(a - 1) e^-t dt`, a > 0: a power
 * series below `a + 1`, a continued fraction (Lentz's method) above, so that small tails are exact too (Press et al.,
 * Numerical Recipes, section 6.2). `NaN` for `NaN`.
 */
export function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  if (x === Infinity) return 0;
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let total = term;
    for (let n = 1; term > 1e-17 * total; n++) {
      term *= x / (a + n);
      total += term;
    }
    return Math.max(0, 1 - scale * total);
  }
  let b = x + 1 - a;
  let c = Infinity;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1, factor = 0; Math.abs(factor - 1) > 1e-15; n++) {
    const numerator = n * (a - n);
    b += 2;
    c = b + numerator / c;
    d = 1 / (b + numerator * d);
    factor = c * d;
    fraction *= factor;
  }
  return scale * fraction;
}

/** Probability that a chi-square variable with so many degrees of freedom (any number above 0) is at least x. */
export function chiSquareTail(x: number, degreesOfFreedom: number): number {
  return upperGamma(degreesOfFreedom / 2, x / 2);
}

/**
 * Regularised incomplete beta function `I_x(a, b)`, a and b > 0, x from 0 to 1: a continued fraction (Lentz's method)
 * on the side where it converges fast (Press et al., Numerical Recipes, section 6.4).
 */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const scale = Math.exp(a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a;
  let c = 1;
  let d = 1 / (1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1, factor = 0; Math.abs(factor - 1) > 1e-15; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / (1 + even * d);
    c = 1 + even / c;
    fraction *= c * d;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + odd * d);
    c = 1 + odd / c;
    factor = c * d;
    fraction *= factor;
  }
  return scale * fraction;
}

/** Probability that a number of Student's t distribution is farther from 0 than t, on either side. */
export function studentTail(t: number, degreesOfFreedom: number): number {
  return incompleteBeta(degreesOfFreedom / (degreesOfFreedom + t * t), degreesOfFreedom / 2, 0.5);
}

/**
 * The t that numbers of Student's distribution are within, `-t` to `t`, with the given probability (from 0 to below 1):
 * 12.706 for 0.95 and one degree of freedom. Found by halving intervals, to rounding.
 */
export function studentQuantile(probability: number, degreesOfFreedom: number): number {
  const isWithin = (t: number): boolean => 1 - studentTail(t, degreesOfFreedom) < probability;
  let high = 1;
  while (isWithin(high)) high *= 2;
  let low = 0;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (isWithin(middle)) low = middle;
    else high = middle;
  }
}
