/**
 * What the conformance suite asks of an op. The suites of all ops stand in one table (index.ts) and run on every
 * device, in Node and in browsers: nothing here needs either.
 */
import * as fc from 'fast-check';
import type { Shape } from '../../src/shape.ts';
import type { Tensor } from '../../src/tensor.ts';
import { fromFlat, map, type NdArray, noise } from '../support/array.ts';

/** An input of an op: f32, or i32 when it is of whole numbers. */
export interface Input extends NdArray {
  readonly integer?: true;
}

/** One call of an op, and the same in float64. */
export interface OpCase {
  readonly inputs: readonly Input[];
  readonly op: (...inputs: Tensor[]) => Tensor;
  readonly reference: (...inputs: NdArray[]) => NdArray;
  /** Error allowed, relative to the largest magnitude of the compared tensor; 2e-6 by default. */
  readonly tolerance?: number;
  /** For gradients; ten times the tolerance by default. */
  readonly gradientTolerance?: number;
  /**
   * The least magnitude that both are relative to, 0.05 by default: more for results that may be small differences of
   * numbers larger than 1, whose rounding they inherit.
   */
  readonly floor?: number;
  /** Rests on arithmetic with NaN or infinities that shading languages do not promise. */
  readonly strict?: true;
  /** Of an op that has gradients, a result without. */
  readonly untracked?: true;
}

export interface OpSuite {
  /**
   * Extents of 0, 1 and primes, more than a tile, long sums, broadcasting: values, gradients by central differences,
   * memory, and the same bits on any number of threads.
   */
  readonly awkward: readonly OpCase[];
  /** Cases that fast-check makes up: values, gradients, memory. */
  readonly any: fc.Arbitrary<OpCase>;
  /**
   * Zeros, denormals, huge numbers, infinities and NaN: each value as IEEE says. GPUs may take denormals as zero: they
   * skip cases that have some, and strict ones.
   */
  readonly extreme: readonly OpCase[];
  /**
   * checked: every f32 input gets a gradient, which is compared. none: the result of tracked inputs is not tracked. in
   * place: the op writes into inputs or has none, so these are plain tensors.
   */
  readonly gradients: 'checked' | 'none' | 'in place';
}

/** An input of whole numbers. */
export function whole(values: ArrayLike<number>, shape: Shape = [values.length]): Input {
  return { ...fromFlat(shape, values), integer: true };
}

/** Whole numbers in [0, bound), the same in every run. */
export function wholeNoise(shape: Shape, bound: number, seed: number): Input {
  const within = (x: number): number => Math.min(bound - 1, Math.floor(((x + 1) / 2) * bound));
  return { ...map(noise(shape, seed), within), integer: true };
}

/** f32 numbers. */
export function real(values: ArrayLike<number>, shape: Shape = [values.length]): Input {
  return fromFlat(shape, Float32Array.from(values));
}

/** For ops without an input: only says on which device. */
export const HERE: Input = real([]);

/** Shapes with extents from 0; large extents are for the awkward cases. */
export function anyShape(minRank: number, maxRank: number, smallest = 0): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min: smallest, max: 7 }), { minLength: minRank, maxLength: maxRank });
}

/** A number for `noise`. */
export const anySeed: fc.Arbitrary<number> = fc.integer({ min: 1, max: 1000 });

/** An extent from 1. */
export const anyExtent: fc.Arbitrary<number> = fc.integer({ min: 1, max: 12 });

/** The special numbers of IEEE 754 that every device keeps. */
export const SPECIAL: readonly number[] = [0, -0, Infinity, -Infinity, Number.NaN, 1, -2, 3e38, -3e38];

/** Numbers below 2^-126, of which some devices make zero. */
export const DENORMAL: readonly number[] = [2 ** -140, -(2 ** -140), 2 ** -149];
