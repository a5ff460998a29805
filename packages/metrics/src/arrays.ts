/**
 * Sums, extremes and percentiles of arrays of any length: spread into arguments, as `Math.max(...values)` does, long
 * ones overflow.
 */

/** How a number is spread. */
export interface MeasureRange {
  readonly mean: number;
  /** 2.5 percentile. */
  readonly low: number;
  /** 97.5 percentile. */
  readonly high: number;
}

export function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

export function mean(values: ArrayLike<number>): number {
  return sum(values) / values.length;
}

/** The largest value, -Infinity of none. */
export function largest(values: ArrayLike<number>): number {
  let most = -Infinity;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i]!);
  return most;
}

/** The smallest value, Infinity of none. */
export function smallest(values: ArrayLike<number>): number {
  let least = Infinity;
  for (let i = 0; i < values.length; i++) least = Math.min(least, values[i]!);
  return least;
}

/** Euclidean length of a vector. */
export function norm(vector: ArrayLike<number>): number {
  let squares = 0;
  for (let d = 0; d < vector.length; d++) squares += vector[d]! ** 2;
  return Math.sqrt(squares);
}

/**
 * Percentiles by the rule that a new value is below the i-th of n sorted ones with probability `i / (n + 1)`.
 *
 * @param values at least one
 */
export function rangeOf(values: Float64Array): MeasureRange {
  const ascending = values.toSorted();
  const percentile = (share: number): number => {
    const at = Math.min(Math.max(share * (ascending.length + 1) - 1, 0), ascending.length - 1);
    const below = ascending[Math.floor(at)]!;
    return below + (at - Math.floor(at)) * (ascending[Math.ceil(at)]! - below);
  };
  return { mean: mean(values), low: percentile(0.025), high: percentile(0.975) };
}
