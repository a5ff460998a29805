/** The gamma function's logarithm and incomplete integral, for tails of the chi-square distribution. */

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
