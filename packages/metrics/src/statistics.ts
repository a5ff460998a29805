/**
 * What a few measurements say of the number behind them: means and paired differences with their 95 % intervals, by
 * Student's t (Student 1908, The probable error of a mean).
 */
import { mean, sum } from './arrays.ts';
import { studentQuantile } from './special-functions.ts';

/** A number that was estimated, with its 95 % interval: from `mean - error` to `mean + error`. */
export interface Estimate {
  readonly mean: number;
  /** null where there is no interval: one measurement does not say how far another one would be. */
  readonly error: number | null;
}

/** The share of such intervals that hold what they are of. */
export const CONFIDENCE = 0.95;

/**
 * The mean of independent measurements, with `error = t s / sqrt(n)`: s their standard deviation (with n - 1), t of
 * n - 1 degrees of freedom. It holds for measurements that are spread normally, and roughly for others.
 *
 * @param values at least one; of several runs, one a seed. Where one is not finite, the mean is `NaN` without interval.
 * @throws RangeError for no values
 */
export function meanEstimate(values: readonly number[]): Estimate {
  const n = values.length;
  if (n === 0) throw new RangeError('values is empty; a mean needs at least one');
  // From the first one, so that equal values have exactly their own mean.
  const middle = values[0]! + mean(values.map((value) => value - values[0]!));
  if (!Number.isFinite(middle)) return { mean: Number.NaN, error: null };
  if (n === 1) return { mean: middle, error: null };
  const variance = sum(values.map((value) => (value - middle) ** 2)) / (n - 1);
  return { mean: middle, error: studentQuantile(CONFIDENCE, n - 1) * Math.sqrt(variance / n) };
}

/**
 * The mean of `values[i] - baseline[i]`: what is common to a pair, such as the seed, is no part of its error.
 *
 * @throws RangeError unless both are equally many, and some
 */
export function pairedDifference(values: readonly number[], baseline: readonly number[]): Estimate {
  if (values.length !== baseline.length) {
    throw new RangeError(
      `there are ${values.length} values, but ${baseline.length} of the baseline; they must be pairs`,
    );
  }
  return meanEstimate(values.map((value, i) => value - baseline[i]!));
}

/**
 * `pairedDifference` over the seeds that both have.
 *
 * @param values of each seed; null where the run of a seed has none
 * @returns null where they have no seed in common, or one of a pair is null
 */
export function differenceBySeed(
  values: ReadonlyMap<number, number | null>,
  baseline: ReadonlyMap<number, number | null>,
): Estimate | null {
  const seeds = [...values.keys()].filter((seed) => baseline.has(seed));
  if (seeds.length === 0 || seeds.some((seed) => values.get(seed) === null || baseline.get(seed) === null)) return null;
  const numbers = (of: typeof values): number[] => seeds.map((seed) => of.get(seed)!);
  return pairedDifference(numbers(values), numbers(baseline));
}

/** Whether a difference is larger than its error; false where it has no interval. */
export function exceedsError({ mean: difference, error }: Estimate): boolean {
  return error !== null && Math.abs(difference) > error;
}
