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
  return { shape, data: Float64Array.from(values) };
}

export function at(x: NdArray, index: readonly number[]): number {
  let flat = 0;
  for (let axis = 0; axis < index.length; axis++) flat = flat * x.shape[axis]! + index[axis]!;
  return x.data[flat]!;
}

/** Reads with broadcasting: aligned at the last axis, extents of 1 repeat. */
export function atBroadcast(x: NdArray, index: readonly number[]): number {
  const own = index.slice(index.length - x.shape.length);
  return at(
    x,
    own.map((i, axis) => (x.shape[axis] === 1 ? 0 : i)),
  );
}

export function unravel(flat: number, shape: Shape): number[] {
  const index = Array.from<number>({ length: shape.length });
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
  return Array.from({ length: n }, (_, i) => i);
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
