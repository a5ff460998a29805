/** Suites of what makes tensors or writes into them. */
import * as fc from 'fast-check';
import { assign, full, ones, tensor, zeros } from '../../src/creation.ts';
import type { Shape } from '../../src/shape.ts';
import type { Tensor } from '../../src/tensor.ts';
import { fromFlat, type NdArray, ndarray, noise } from '../support/array.ts';
import {
  anySeed,
  anyShape,
  DENORMAL,
  HERE,
  type Input,
  type OpCase,
  type OpSuite,
  real,
  SPECIAL,
  whole,
} from './suite.ts';

const SHAPES: readonly Shape[] = [[], [1], [7], [0, 4], [3, 5], [2, 67], [8195]];

/** The suite of an op that makes a tensor of a shape, `extreme` with odd arguments. */
export function maker(
  make: (here: Tensor, shape: Shape, seed: number) => Tensor,
  reference: (shape: Shape, seed: number) => NdArray,
  extreme: readonly OpCase[],
  tolerance = 0,
): OpSuite {
  const of = (shape: Shape, seed = 1): OpCase => ({
    inputs: [HERE],
    op: (here) => make(here, shape, seed),
    reference: () => reference(shape, seed),
    tolerance,
  });
  return {
    awkward: SHAPES.map((shape) => of(shape)),
    any: fc.tuple(anyShape(0, 4), anySeed).map(([shape, seed]) => of(shape, seed)),
    extreme: [...extreme, of([0])],
    gradients: 'in place',
  };
}

const constant = (shape: Shape, value: number): NdArray => ndarray(shape, () => value);

const filledWith = (value: number, dtype?: 'i32'): OpCase => ({
  inputs: [HERE],
  op: ({ device }) => full(device, [5], value, dtype),
  reference: () => constant([5], value),
});

const holding = (values: readonly number[]): OpCase => ({
  inputs: [HERE],
  op: ({ device }) => tensor(device, values),
  reference: () => fromFlat([values.length], values),
});

const overwritten = (target: Input, values: Input): OpCase => ({
  inputs: [target, values],
  op: (x, y) => {
    assign(x, y);
    return x;
  },
  reference: (x, y) => ({ shape: x.shape, data: y.data }),
  tolerance: 0,
});

export const creation = {
  tensor: maker(
    ({ device }, shape, seed) => tensor(device, [...noise(shape, seed).data], shape),
    (shape, seed) => noise(shape, seed),
    [holding(SPECIAL), holding(DENORMAL)],
  ),
  full: maker(
    ({ device }, shape, seed) => full(device, shape, seed / 8),
    (shape, seed) => constant(shape, seed / 8),
    [...[...SPECIAL, ...DENORMAL].map((value) => filledWith(value)), filledWith(-(2 ** 24), 'i32')],
  ),
  zeros: maker(
    ({ device }, shape, seed) => zeros(device, shape, seed % 2 === 0 ? 'f32' : 'i32'),
    (shape) => constant(shape, 0),
    [],
  ),
  ones: maker(
    ({ device }, shape, seed) => ones(device, shape, seed % 2 === 0 ? 'f32' : 'i32'),
    (shape) => constant(shape, 1),
    [],
  ),
  assign: {
    awkward: [
      ...SHAPES.map((shape) => overwritten(noise(shape, 1), noise(shape, 2))),
      overwritten(whole([1, 2]), whole([3, 4])),
    ],
    any: fc
      .tuple(anyShape(0, 4), anySeed)
      .map(([shape, seed]) => overwritten(noise(shape, seed), noise(shape, seed + 1))),
    extreme: [SPECIAL, DENORMAL].map((values) => overwritten(noise([values.length], 1), real(values))),
    gradients: 'in place',
  },
} satisfies Record<string, OpSuite>;
