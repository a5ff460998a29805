/** Whether loads can be told from those of a perfectly uniform router: Pearson's chi-square test of counts. */
import { sum } from './arrays.ts';
import { checkPositiveInteger } from './checks.ts';
import { checkCounts, type Counts } from './counts.ts';
import { chiSquareTail } from './special-functions.ts';

/** What `uniformityTest` finds. */
export interface UniformityTest {
  /** Pearson's statistic; about as large as `degreesOfFreedom` under a uniform router. */
  readonly statistic: number;
  /** M - 1 for each layer, 0 for one where all experts are chosen. */
  readonly degreesOfFreedom: number;
  /**
   * Probability that uniform routers would give a statistic at least as large. Small: the load is less even than
   * chance makes it. Near 1: it is as even, or more so (a router that balances by force).
   */
  readonly pValue: number;
}

/** Beyond it, tails of the chi-square distribution are those of the normal one to six digits and more. */
const MOST_DEGREES = 1e6;

/**
 * Tests whether uniform routers, which send each token to k distinct experts, every set of k as likely as any other,
 * could have made these loads.
 *
 * Under them a load has mean `T k / M`, variance `T p (1 - p)` with `p = k / M`, and covariance `-1 / (M - 1)` of that
 * with any other load, so the statistic of a layer is `sum_e (c_e - mean)^2 / (T p (1 - p) M / (M - 1))`, Pearson's
 * `sum (c - mean)^2 / mean` where k is 1. It has mean `M - 1`, variance `2 (M - 1) (1 - 1 / T)` and a known third
 * moment; layers are independent, so each adds up. The p-value is the tail of the chi-square distribution with these
 * three moments (Pearson's approximation, Imhof 1961): with many tokens the usual one with `M - 1` degrees of freedom,
 * and close with fewer tokens than experts.
 *
 * Tokens of a text resemble each other, so a load may be told from chance and yet be even enough: the p-value says
 * whether there is a difference, the measures how large it is.
 *
 * @param countsPerLayer exact counts, one array per layer; at least one layer. A single layer: `[counts]`.
 * @param topK k, at most the number of experts. T is taken to be `sum c / k`. Where a router drops tokens or leaves
 *   slots empty, k is not what every token got, and the p-value is only a guide.
 * @returns `NaN` where a layer has no load.
 */
export function uniformityTest(countsPerLayer: readonly Counts[], topK: number): UniformityTest {
  if (countsPerLayer.length === 0) throw new RangeError('countsPerLayer is empty; it needs the loads of one layer');
  const all = { statistic: 0, mean: 0, variance: 0, third: 0 };
  for (const [layer, counts] of countsPerLayer.entries()) {
    checkCounts(counts, `countsPerLayer[${layer}]`);
    checkPositiveInteger('topK', topK, counts.length);
    const own = layerMoments(counts, topK);
    for (const moment of ['statistic', 'mean', 'variance', 'third'] as const) all[moment] += own[moment];
  }
  return { statistic: all.statistic, degreesOfFreedom: all.mean, pValue: tailOf(all) };
}

interface Moments {
  readonly statistic: number;
  /** Central moments of the statistic under uniform routers. */
  readonly mean: number;
  readonly variance: number;
  readonly third: number;
}

function layerMoments(counts: Counts, topK: number): Moments {
  const experts = counts.length;
  const total = sum(counts);
  const tokens = total / topK;
  let squares = 0;
  for (let expert = 0; expert < experts; expert++) squares += (counts[expert]! - total / experts) ** 2;
  if (total === 0) return { statistic: Number.NaN, mean: experts - 1, variance: 0, third: 0 };
  // Every token goes to all experts: loads cannot differ.
  if (topK === experts) return { statistic: squares === 0 ? 0 : Infinity, mean: 0, variance: 0, third: 0 };
  const spread = (tokens * topK * (1 - topK / experts)) / (experts - 1);
  // The squares are `sum_tu <x_t, x_u>` over pairs of tokens, x the choices of a token less k / M. Pairs of different
  // tokens are uncorrelated, and three of them correlate in a triangle alone. How many experts two tokens share is
  // hypergeometric, hence its third moment here, over that of `spread / T`; it is symmetric for two experts.
  const pairs = Math.max(0, 1 - 1 / tokens);
  const triangles = Math.max(0, 1 - 2 / tokens);
  const shared =
    experts === 2 ? 0 : ((experts - 2 * topK) ** 2 * (experts - 1) ** 2) / ((experts - 2) * topK * (experts - topK));
  return {
    statistic: squares / spread,
    mean: experts - 1,
    variance: 2 * (experts - 1) * pairs,
    third: pairs * (8 * (experts - 1) * triangles + (4 * shared) / tokens),
  };
}

function tailOf({ statistic, mean, variance, third }: Moments): number {
  if (Number.isNaN(statistic)) return statistic;
  // One token, or all experts for each: there is but one value that the statistic can have.
  if (variance === 0) return statistic > mean * (1 + 1e-9) ? 0 : 1;
  const degrees = Math.min(MOST_DEGREES, (8 * variance ** 3) / third ** 2);
  return chiSquareTail(degrees + ((statistic - mean) / Math.sqrt(variance)) * Math.sqrt(2 * degrees), degrees);
}
