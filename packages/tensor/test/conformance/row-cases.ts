/** What the suites of ops along the last axis share: shapes, and functions of each row. */
import * as fc from 'fast-check';
import type { Shape } from '../../src/shape.ts';
import type { NdArray } from '../support/array.ts';
import { anyExtent, anyShape, type Input, real } from './suite.ts';

/** Applies a function to each row along the last axis. */
export function onRows(x: NdArray, f: (row: Float64Array) => ArrayLike<number>): NdArray {
  const columns = x.shape.at(-1)!;
  const out = new Float64Array(x.data.length);
  for (let i = 0; i < x.data.length; i += columns) out.set(f(x.data.subarray(i, i + columns)), i);
  return { shape: x.shape, data: out };
}

/** The rows of an input with more columns behind them, as many as long rows have: some kernels do those otherwise. */
export function lengthened(x: Input, fill: number): Input {
  const [rows, columns] = x.shape as [number, number];
  const row = (i: number): number[] => [...x.data.subarray(i * columns, (i + 1) * columns)];
  const behind = Array.from({ length: 300 - columns }, () => fill);
  return real(Array.from({ length: rows }, (_, i) => [...row(i), ...behind]).flat(), [rows, 300]);
}

export const SHAPES: readonly Shape[] = [[1], [1, 1], [3, 5], [2, 3, 32], [5, 67], [0, 4], [2, 8195], [701, 13]];
/** Shapes with a last axis of at least 1. */
export const anyRows: fc.Arbitrary<number[]> = fc
  .tuple(anyShape(0, 2), anyExtent)
  .map(([lead, columns]) => [...lead, columns]);
