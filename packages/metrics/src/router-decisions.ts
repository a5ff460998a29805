/**
 * How far a router is from deciding otherwise: the gap between the last score that an expert is chosen by and the first
 * that is not, against how scores of unrelated experts lie. With the token entropy of `scoreReport` (health.ts) it says
 * how decided a router is about its tokens.
 */
import { checkMatrix, type Matrix } from './matrix.ts';
import { logGamma, upperGamma } from './special-functions.ts';

/**
 * Mean over tokens of the gap between the k-th best score and the next, in standard deviations of the token's scores
 * over experts: 0 for a uniform router, whose scores are all alike; `normalMargin` for unrelated ones. Adding a number
 * to all scores of a token, or multiplying them by one above 0, changes nothing. `NaN` where a token has no more than k
 * experts to choose from.
 *
 * @param selection what experts are chosen by, `[tokens, M]`; at or below `limit` for those that a token may not choose
 * @param topK k, from 1 to M
 */
export function selectionMargin(selection: Matrix, topK: number, limit: number = -Infinity): number {
  checkMatrix('selection', selection);
  const { rows: tokens, columns: experts } = selection;
  checkTopK(topK, experts);
  const values = Float64Array.from(selection.values);
  let total = 0;
  for (let token = 0; token < tokens; token++) {
    const own = values.subarray(token * experts, (token + 1) * experts).filter((score) => score > limit);
    total += marginOf(own.sort(), topK);
  }
  return total / tokens;
}

/** @param ascending scores of one token */
function marginOf(ascending: Float64Array, topK: number): number {
  const count = ascending.length;
  if (count <= topK) return Number.NaN;
  const gap = ascending[count - topK]! - ascending[count - topK - 1]!;
  if (gap === 0) return 0;
  let [mean, squares] = [0, 0];
  for (const score of ascending) mean += score / count;
  for (const score of ascending) squares += (score - mean) ** 2;
  return gap / Math.sqrt(squares / count);
}

/** Standard deviations on either side that the integral of `normalMargin` reaches, and its points. */
const REACH = 10;
const POINTS = 2000;

/**
 * What `selectionMargin` is on average where scores are M independent normal numbers: the expected gap of neighbouring
 * order statistics (Pearson 1902, Note on Francis Galton's problem, Biometrika 1),
 *
 *     binomial(M, k) * integral of F(x)^(M - k) (1 - F(x))^k dx
 *
 * with F the distribution function of one, over their expected standard deviation
 * `sqrt(2 / M) Gamma(M / 2) / Gamma((M - 1) / 2)`. The quotient of the means is the mean of the quotients, since the
 * shape of a normal sample does not depend on its spread (Basu 1955). `NaN` where k is M.
 */
export function normalMargin(experts: number, topK: number): number {
  checkTopK(topK, experts);
  if (topK === experts) return Number.NaN;
  const logChoices = logGamma(experts + 1) - logGamma(topK + 1) - logGamma(experts - topK + 1);
  const step = (2 * REACH) / POINTS;
  let gap = 0;
  for (let i = 0; i <= POINTS; i++) {
    const x = i * step - REACH;
    gap += step * Math.exp(logChoices + (experts - topK) * Math.log(tail(-x)) + topK * Math.log(tail(x)));
  }
  const logRatio = logGamma(experts / 2) - logGamma((experts - 1) / 2);
  return gap / (Math.sqrt(2 / experts) * Math.exp(logRatio));
}

/** Probability that a standard normal number is above x. */
function tail(x: number): number {
  const half = upperGamma(0.5, (x * x) / 2) / 2;
  return x > 0 ? half : 1 - half;
}

function checkTopK(topK: number, experts: number): void {
  if (Number.isInteger(topK) && topK >= 1 && topK <= experts) return;
  throw new RangeError(`topK is ${topK}; it must be an integer from 1 to the ${experts} experts`);
}
