/** Plain float64 arrays with a shape: what ops are held against. Slow and obvious on purpose. */
import { type Shape, sizeOf } from '../../src/shape.ts';

export interface NdArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

export function ndarray(shape: Shape, value: (index: number[]) => number): NdArray {
  const data = new Float64Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = value(unravel(i, shape));
  return { shape, data };
}

export function fromFlat(shape: Shape, values: ArrayLike<number>): NdArray {
  return { shape, data: new Float64Array(values) };
}

/** Where an element lies in the data: what `unravel` undoes. */
export function ravel(index: readonly number[], shape: Shape): number {
  let flat = 0;
  for (let axis = 0; axis < index.length; axis++) flat = flat * shape[axis]! + index[axis]!;
  return flat;
}

export function at(x: NdArray, index: readonly number[]): number {
  return x.data[ravel(index, x.shape)]!;
}

/** Reads with broadcasting: aligned at the last axis, extents of 1 repeat. */
export function atBroadcast(x: NdArray, index: readonly number[]): number {
  const skipped = index.length - x.shape.length;
  let flat = 0;
  for (const [axis, extent] of x.shape.entries()) flat = flat * extent + (extent === 1 ? 0 : index[skipped + axis]!);
  return x.data[flat]!;
}

export function unravel(flat: number, shape: Shape): number[] {
  const index = shape.map(() => 0);
  let rest = flat;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return index;
}

export function map(x: NdArray, f: (value: number) => number): NdArray {
  return { shape: x.shape, data: x.data.map(f) };
}

/** Numbers 0 .. n-1. */
export function range(n: number): number[] {
  const numbers: number[] = [];
  for (let i = 0; i < n; i++) numbers.push(i);
  return numbers;
}

export function total(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

/** Deterministic numbers that look random, in [-scale, scale]; exact in f32. */
export function noise(shape: Shape, seed: number, scale = 1): NdArray {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return ndarray(shape, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround(((state >>> 8) / 2 ** 23 - 1) * scale);
  });
}
