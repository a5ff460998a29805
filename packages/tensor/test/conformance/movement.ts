/** Suites of the ops that move elements: their values are exact, of either type. */
import * as fc from 'fast-check';
import { concatenate, permute, reshape, slice, stretch, transpose } from '../../src/ops/movement.ts';
import { type Shape, sizeOf } from '../../src/shape.ts';
import type { Tensor } from '../../src/tensor.ts';
import { at, atBroadcast, type NdArray, ndarray, noise, range } from '../support/array.ts';
import {
  anySeed,
  anyShape,
  DENORMAL,
  type Input,
  type OpCase,
  type OpSuite,
  real,
  SPECIAL,
  wholeNoise,
} from './suite.ts';

interface Move {
  readonly op: (x: Tensor) => Tensor;
  readonly reference: (x: NdArray) => NdArray;
  readonly floor?: number;
}

/** The suite of a move of one tensor; `make` gives one for a shape. */
function mover(awkward: readonly (readonly [Shape, Move])[], any: fc.Arbitrary<readonly [Shape, Move]>): OpSuite {
  const of = (input: Input, move: Move): OpCase => ({
    inputs: [input],
    tolerance: 0,
    gradientTolerance: 1e-6,
    ...move,
  });
  const filled = (values: readonly number[], [shape, move]: readonly [Shape, Move]): OpCase =>
    of(
      real(
        range(sizeOf(shape)).map((i) => values[i % values.length]!),
        shape,
      ),
      move,
    );
  return {
    awkward: [
      ...awkward.map(([shape, move]) => of(noise(shape, 4), move)),
      ...awkward.map(([shape, move]): OpCase => ({ ...of(wholeNoise(shape, 2 ** 24, 4), move), untracked: true })),
    ],
    any: fc.tuple(any, anySeed).map(([[shape, move], seed]) => of(noise(shape, seed), move)),
    extreme: awkward.flatMap((move) => [filled(SPECIAL, move), filled(DENORMAL, move)]),
    gradients: 'checked',
  };
}

const reshaped = (to: Shape, result: Shape = to): Move => ({
  op: (x) => reshape(x, to),
  reference: ({ data }) => ({ shape: result, data }),
});

const permuted = (order: readonly number[]): Move => ({
  op: (x) => permute(x, order),
  reference: (x) =>
    ndarray(
      order.map((axis) => x.shape[axis]!),
      (index) =>
        at(
          x,
          order.map((_, axis) => index[order.indexOf(axis)]!),
        ),
    ),
});

const swapped = (shape: readonly number[]): readonly number[] => [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];
const transposed: Move = {
  op: transpose,
  reference: (x) => ndarray(swapped(x.shape), (index) => at(x, swapped(index))),
};

const sliced = (axis: number, start: number, end: number): Move => ({
  op: (x) => slice(x, axis, start, end),
  reference: (x) => {
    const where = axis < 0 ? axis + x.shape.length : axis;
    return ndarray(x.shape.with(where, end - start), (index) => at(x, index.with(where, index[where]! + start)));
  },
});

const stretched = (to: Shape): Move => ({
  op: (x) => stretch(x, to),
  reference: (x) => ndarray(to, (index) => atBroadcast(x, index)),
  // An element's gradient may be a small sum of many numbers of about 1.
  floor: 1,
});

/** Joins x, its first half, and x again. */
const joined = (axis: number): Move => ({
  op: (x) => concatenate([x, slice(x, axis, 0, x.shape.at(axis)! >> 1), x], axis),
  reference: (x) => {
    const where = axis < 0 ? axis + x.shape.length : axis;
    const extent = x.shape[where]!;
    const places = [...range(extent), ...range(extent >> 1), ...range(extent)];
    return ndarray(x.shape.with(where, places.length), (index) => at(x, index.with(where, places[index[where]!]!)));
  },
});

const anyOf = (make: (shape: number[], pick: number) => Move, minRank: number): fc.Arbitrary<readonly [Shape, Move]> =>
  fc.tuple(anyShape(minRank, 4), fc.nat()).map(([shape, pick]) => [shape, make(shape, pick)] as const);

export const movement = {
  reshape: mover(
    [
      [[3, 4], reshaped([2, 6])],
      [[3, 4], reshaped([-1], [12])],
      [[0, 4], reshaped([2, 0])],
      [[1], reshaped([])],
      [[2, 3], reshaped([2, 3])],
    ],
    anyOf((shape) => reshaped(shape.toReversed()), 0),
  ),
  permute: mover(
    [
      [[], permuted([])],
      [[7], permuted([0])],
      [[3, 0, 2], permuted([2, 0, 1])],
      [[7, 5, 3], permuted([2, 1, 0])],
      [[2, 3, 4, 5], permuted([0, 2, 1, 3])],
      [[2, 3, 2, 3, 2, 3], permuted([5, 1, 3, 0, 4, 2])],
      [[65, 3, 67], permuted([2, 1, 0])],
    ],
    anyShape(1, 4).chain((shape) =>
      fc
        .shuffledSubarray(range(shape.length), { minLength: shape.length })
        .map((order) => [shape, permuted(order)] as const),
    ),
  ),
  transpose: mover(
    [
      [1, 1],
      [3, 5],
      [37, 65],
      [2, 17, 4],
      [0, 3],
      [129, 131],
    ].map((shape) => [shape, transposed] as const),
    anyOf(() => transposed, 2),
  ),
  slice: mover(
    [
      [[7], sliced(0, 2, 5)],
      [[3, 8], sliced(1, 4, 8)],
      [[3, 8], sliced(0, 1, 2)],
      [[2, 5, 3], sliced(-2, 0, 4)],
      [[3, 8], sliced(1, 4, 4)],
      [[5, 1000, 3], sliced(1, 1, 999)],
    ],
    anyOf((shape, pick) => {
      const axis = pick % shape.length;
      return sliced(axis, pick % (shape[axis]! + 1), shape[axis]!);
    }, 1),
  ),
  concatenate: mover(
    [
      [[2], joined(0)],
      [[2, 3], joined(1)],
      [[2, 3], joined(0)],
      [[2, 5, 2], joined(-2)],
      [[2, 0], joined(1)],
      [[1, 4099], joined(1)],
    ],
    anyOf((shape, pick) => joined(pick % shape.length), 1),
  ),
  stretch: mover(
    [
      [[], stretched([3])],
      [[1, 3], stretched([4, 3])],
      [[3, 1], stretched([2, 3, 4])],
      [[2, 3], stretched([2, 3])],
      [[1], stretched([0])],
      [[1, 2, 1], stretched([67, 2, 131])],
    ],
    anyShape(0, 3, 1).map((shape) => [shape.map((x, i) => (i % 2 === 0 ? 1 : x)), stretched([2, ...shape])] as const),
  ),
} satisfies Record<string, OpSuite>;
