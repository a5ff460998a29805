/**
 * Whether two lists of numbers have one order: Spearman's rank correlation, how far the errors of the numbers decide
 * it, and how often chance agrees as well.
 */
import { rangeOf } from './arrays.ts';
import { Random } from './random.ts';
import type { Estimate } from './statistics.ts';

/**
 * Spearman's: Pearson's correlation of the ranks, from -1 (opposite orders) to 1 (the same); equal values share the
 * mean of their ranks (Spearman 1904, The proof and measurement of association between two things).
 *
 * @param first null, or not finite, where a value is missing
 * @returns null where it is undefined: for values that are missing, all equal, or fewer than three
 */
export function rankCorrelation(first: readonly (number | null)[], second: readonly (number | null)[]): number | null {
  if (first.length !== second.length) {
    throw new RangeError(`there are ${first.length} values beside ${second.length}; they must be pairs`);
  }
  const a = ranksOf(first);
  const b = ranksOf(second);
  return a === null || b === null || a.length < 3 ? null : correlation(a, b);
}

/** A rank correlation, and the interval that errors leave it. */
export interface RankCorrelation {
  readonly value: number;
  /** null where the error of a number is not known. */
  readonly interval: { readonly low: number; readonly high: number } | null;
  /** The probability that an order by chance agrees as well or better: `chanceOfOrder`. */
  readonly chance: number;
}

/** Two digits of a percentile. */
const DRAWS = 2000;
/** A normal number is within so many standard deviations with probability 0.95. */
const NORMAL_QUANTILE = 1.959963984540054;

/**
 * The rank correlation of estimates with numbers that are taken as they are, such as those that a paper reports without
 * errors.
 *
 * Its interval says what the errors of the estimates leave open: each is drawn from the normal distribution whose 95 %
 * range is its interval, independently of the others, and the correlations of 2000 such lists have the interval as
 * their 2.5 and 97.5 percentiles, widened to hold the correlation itself. Errors of runs that share seeds or text are
 * rather alike, which moves ranks less: then the interval is too wide rather than too narrow. Rows are what they are
 * and are not resampled: with four of them, draws repeat rows and make any perfect order certain. What few rows can
 * show at all says `chance`.
 *
 * @returns null as `rankCorrelation` does
 */
export function rankCorrelationOf(
  estimates: readonly (Estimate | null)[],
  numbers: readonly (number | null)[],
  seed: number = 0,
): RankCorrelation | null {
  const means = estimates.map((estimate) => estimate?.mean ?? null);
  const value = rankCorrelation(means, numbers);
  if (value === null) return null;
  const errors = estimates.map((estimate) => estimate?.error ?? null);
  return {
    value,
    interval: errors.includes(null) ? null : intervalOf(value, means as number[], errors as number[], numbers, seed),
    chance: chanceOfOrder(means, numbers, seed)!,
  };
}

function intervalOf(
  value: number,
  means: readonly number[],
  errors: readonly number[],
  numbers: readonly (number | null)[],
  seed: number,
): { low: number; high: number } {
  const random = new Random(seed);
  const drawn = Array.from({ length: DRAWS }, () =>
    rankCorrelation(
      means.map((mean, i) => mean + (errors[i]! / NORMAL_QUANTILE) * random.normal()),
      numbers,
    ),
  );
  // A draw that ties all values has no correlation.
  const known = Float64Array.from(drawn.filter((each) => each !== null));
  const { low, high } = known.length === 0 ? { low: value, high: value } : rangeOf(known);
  return { low: Math.min(value, low), high: Math.max(value, high) };
}

/** With so many values all orders are gone through. */
const MOST_ORDERED = 8;
const SHUFFLES = 10_000;

/**
 * The probability that an order by chance has a rank correlation as large or larger: over all orders of up to eight
 * values; of more, `(1 + r) / (1 + n)` with r of n = 10,000 random orders. With four values none is below 1 / 24.
 *
 * @returns null as `rankCorrelation` does
 */
export function chanceOfOrder(
  first: readonly (number | null)[],
  second: readonly (number | null)[],
  seed: number = 0,
): number | null {
  const observed = rankCorrelation(first, second);
  if (observed === null) return null;
  const [a, b] = [ranksOf(first)!, ranksOf(second)!];
  // Another order of the same terms is rounded otherwise.
  const isAsLarge = (order: readonly number[]): boolean => correlation(order, b)! >= observed - 1e-9;
  if (a.length > MOST_ORDERED) {
    const random = new Random(seed);
    let asLarge = 0;
    for (let i = 0; i < SHUFFLES; i++) if (isAsLarge(shuffled(a, random))) asLarge++;
    return (1 + asLarge) / (1 + SHUFFLES);
  }
  let orders = 0;
  let asLarge = 0;
  for (const order of permutations(a)) {
    orders++;
    if (isAsLarge(order)) asLarge++;
  }
  return asLarge / orders;
}

/** Pearson's, of ranks; null where all of one list are equal. */
function correlation(a: readonly number[], b: readonly number[]): number | null {
  const middle = (a.length + 1) / 2;
  const covariance = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, rank, i) => sum + (rank - middle) * (y[i]! - middle), 0);
  const scale = Math.sqrt(covariance(a, a) * covariance(b, b));
  return scale === 0 ? null : covariance(a, b) / scale;
}

function ranksOf(values: readonly (number | null)[]): number[] | null {
  const known = values.filter((value) => value !== null && Number.isFinite(value)) as number[];
  if (known.length < values.length) return null;
  // As many as are smaller, then the middle of those that are equal.
  return known.map((value) => {
    const equal = known.filter((other) => other === value).length;
    return known.filter((other) => other < value).length + (equal + 1) / 2;
  });
}

/** Every order of the values, in one array that changes (Heap 1963, Permutations by interchanges). */
function* permutations(values: readonly number[]): Generator<readonly number[]> {
  const order = [...values];
  const counters = order.map(() => 0);
  yield order;
  for (let i = 1; i < order.length; ) {
    if (counters[i]! >= i) {
      counters[i++] = 0;
      continue;
    }
    const other = i % 2 === 0 ? 0 : counters[i]!;
    [order[other], order[i]] = [order[i]!, order[other]!];
    counters[i]!++;
    i = 1;
    yield order;
  }
}

/** Fisher and Yates's. */
function shuffled(values: readonly number[], random: Random): number[] {
  const order = [...values];
  for (let i = order.length - 1; i > 0; i--) {
    const other = random.below(i + 1);
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return order;
}
