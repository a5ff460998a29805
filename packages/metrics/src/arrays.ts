/**
 * Sums and extremes of arrays of any length: spread into arguments, as `Math.max(...values)` does, long ones overflow.
 */

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
