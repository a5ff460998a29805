/** What the tests of kernels over rows share: shapes, rows of flat numbers, and difference quotients. */
import { expect } from 'vitest';

export const SHAPES = [
  [0, 4],
  [1, 1],
  [3, 2],
  [5, 3],
  [7, 8],
  [33, 37],
  [70, 128],
  [3, 4099],
  [1200, 31],
] as const;

/**
 * Every element within `tolerance`, relative to the largest expected magnitude (at least 1); NaN and infinity match.
 */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  const scale = Array.from(expected).reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 1);
  for (const [i, value] of Array.from(expected).entries()) {
    if (!Number.isFinite(value)) expect(actual[i], `element ${i}`).toBe(value);
    else if (!(Math.abs(actual[i]! - value) <= tolerance * scale)) expect(actual[i], `element ${i}`).toBe(value);
  }
}

export const rowsOf = (x: ArrayLike<number>, rows: number, columns: number): number[][] =>
  Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, i) => x[row * columns + i]!));
export const total = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0);

export type Rows = (x: readonly number[]) => number[];

/** `d(gradient . f(x)) / dx` of one row by central differences in float64. */
export function pullBack(
  f: Rows,
  x: readonly number[],
  gradient: readonly number[],
  only: readonly number[],
): number[] {
  return only.map((i) => {
    const step = 1e-5 * Math.max(1, Math.abs(x[i]!));
    const at = (delta: number): number => total(f(x.with(i, x[i]! + delta)).map((value, j) => value * gradient[j]!));
    return (at(step) - at(-step)) / (2 * step);
  });
}

/** Some columns of a row, the first and last included: difference quotients of all would take long. */
export const someColumns = (columns: number): number[] =>
  columns < 12 ? [...Array(columns).keys()] : [0, 1, 3, columns >> 1, columns - 2, columns - 1];
