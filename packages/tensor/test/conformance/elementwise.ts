/** Suites of the elementwise ops. */
import * as fc from 'fast-check';
import * as ops from '../../src/ops/elementwise.ts';
import { broadcastShapes, type Shape } from '../../src/shape.ts';
import type { Tensor } from '../../src/tensor.ts';
import { atBroadcast, map, type NdArray, ndarray, noise } from '../support/array.ts';
import { anySeed, anyShape, DENORMAL, type OpCase, type OpSuite, real, SPECIAL, whole } from './suite.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const awayFromZero = (x: number): number => Math.fround(x + Math.sign(x) * 0.5);

/** An op of one argument; `domain` makes of numbers in [-1, 1] some where it is smooth. */
function unary(op: (x: Tensor) => Tensor, f: (x: number) => number, domain: (x: number) => number): OpSuite {
  const of = (shape: Shape, seed = 1): OpCase => ({
    inputs: [map(noise(shape, seed), (x) => Math.fround(domain(x)))],
    op,
    reference: (x) => map(x, f),
  });
  const extreme = (values: readonly number[]): OpCase => ({ ...of([]), inputs: [real(values)] });
  return {
    awkward: [[], [1], [7], [3, 5], [0, 4], [2, 67], [8195], [5, 1, 3, 1, 2]].map((shape) => of(shape)),
    any: fc.tuple(anyShape(0, 4), anySeed).map(([shape, seed]) => of(shape, seed)),
    extreme: [extreme([...SPECIAL, 100, -100]), extreme(DENORMAL)],
    gradients: 'checked',
  };
}

/** A pair of shapes that broadcast: each axis of the result may be stretched or missing in either. */
const broadcastingShapes: fc.Arbitrary<[Shape, Shape]> = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom('both', 'a', 'b')), { maxLength: 4 })
  .chain((axes) =>
    fc
      .tuple(fc.integer({ min: 0, max: axes.length }), fc.integer({ min: 0, max: axes.length }))
      .map(([cutA, cutB]): [Shape, Shape] => [
        axes.map(([extent, who]) => (who === 'b' ? 1 : extent)).slice(cutA),
        axes.map(([extent, who]) => (who === 'a' ? 1 : extent)).slice(cutB),
      ]),
  );

const BROADCASTING: readonly [Shape, Shape][] = [
  [[], []],
  [[5], []],
  [
    [3, 7],
    [3, 7],
  ],
  [[3, 7], [7]],
  [
    [3, 7],
    [3, 1],
  ],
  [
    [2, 1, 5],
    [3, 1],
  ],
  [
    [0, 3],
    [1, 3],
  ],
  [
    [2, 3, 1, 2],
    [2, 1, 4, 1],
  ],
  [
    [2, 3, 2, 3, 2, 3],
    [2, 1, 2, 1, 2, 1],
  ],
  [
    [1171, 7],
    [1171, 1],
  ],
  [[8195], [8195]],
];

/** An op of two arguments. */
function binary(
  op: (a: Tensor, b: ops.Operand) => Tensor,
  f: (x: number, y: number) => number,
  gradients: OpSuite['gradients'],
  more: readonly OpCase[] = [],
): OpSuite {
  const reference = (a: NdArray, b: NdArray): NdArray =>
    ndarray(broadcastShapes('test', a.shape, b.shape), (index) => f(atBroadcast(a, index), atBroadcast(b, index)));
  const of = (a: Shape, b: Shape, seed = 1): OpCase => ({
    inputs: [noise(a, seed), map(noise(b, seed + 1), awayFromZero)],
    op,
    reference,
  });
  const pairs = (values: readonly number[]): OpCase => ({
    inputs: [real(values, [values.length, 1]), real(values)],
    op,
    reference,
  });
  const withNumber: OpCase = {
    inputs: [noise([3, 5], 4)],
    op: (x) => op(x, 0.25),
    reference: (x) => map(x, (v) => f(v, 0.25)),
  };
  return {
    awkward: [...BROADCASTING.map(([a, b]) => of(a, b)), withNumber, ...more],
    any: fc.tuple(broadcastingShapes, anySeed).map(([[a, b], seed]) => of(a, b, seed)),
    extreme: [pairs(SPECIAL), pairs([...DENORMAL, 0, 1])],
    gradients,
  };
}

/** Equal arguments share the gradient: the mean of both one-sided derivatives. */
const equalArguments = (op: (a: Tensor, b: Tensor) => Tensor, f: (x: number, y: number) => number): OpCase => ({
  inputs: [real([1, 1, 2]), real([1, 1, 2])],
  op,
  reference: (a, b) => ndarray([3], ([i]) => f(a.data[i!]!, b.data[i!]!)),
});

const affine = (shape: Shape, seed = 1): OpCase => ({
  inputs: [noise(shape, seed)],
  op: (x) => ops.affine(x, -2.5, 0.25),
  reference: (x) => map(x, (v) => -2.5 * v + 0.25),
});

const toWhole = (values: readonly number[]): OpCase => ({
  inputs: [real(values)],
  op: (x) => ops.cast(x, 'i32'),
  reference: (x) => map(x, Math.trunc),
});
const toReal = (values: readonly number[]): OpCase => ({
  inputs: [whole(values)],
  op: (x) => ops.cast(x, 'f32'),
  reference: (x) => x,
});

export const elementwise = {
  negate: unary(
    ops.negate,
    (x) => -x,
    (x) => x,
  ),
  abs: unary(ops.abs, Math.abs, awayFromZero),
  sign: unary(ops.sign, Math.sign, awayFromZero),
  reciprocal: unary(
    ops.reciprocal,
    (x) => 1 / x,
    (x) => 1.5 + x,
  ),
  square: unary(
    ops.square,
    (x) => x * x,
    (x) => 3 * x,
  ),
  sqrt: unary(ops.sqrt, Math.sqrt, (x) => 1.5 + x),
  rsqrt: unary(
    ops.rsqrt,
    (x) => 1 / Math.sqrt(x),
    (x) => 1.5 + x,
  ),
  exp: unary(ops.exp, Math.exp, (x) => 5 * x),
  log: unary(ops.log, Math.log, (x) => 1.5 + x),
  sigmoid: unary(ops.sigmoid, sigmoid, (x) => 8 * x),
  silu: unary(
    ops.silu,
    (x) => x * sigmoid(x),
    (x) => 8 * x,
  ),
  relu: unary(ops.relu, (x) => Math.max(x, 0), awayFromZero),
  tanh: unary(ops.tanh, Math.tanh, (x) => 3 * x),
  softplus: unary(
    ops.softplus,
    (x) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0),
    (x) => 8 * x,
  ),
  add: binary(ops.add, (x, y) => x + y, 'checked'),
  subtract: binary(ops.subtract, (x, y) => x - y, 'checked'),
  multiply: binary(ops.multiply, (x, y) => x * y, 'checked'),
  divide: binary(ops.divide, (x, y) => x / y, 'checked'),
  maximum: binary(ops.maximum, Math.max, 'checked', [equalArguments(ops.maximum, Math.max)]),
  minimum: binary(ops.minimum, Math.min, 'checked', [equalArguments(ops.minimum, Math.min)]),
  greater: binary(ops.greater, (x, y) => Number(x > y), 'none'),
  equal: binary(ops.equal, (x, y) => Number(x === y), 'none', [equalArguments(ops.equal, () => 1)]),
  affine: {
    awkward: [affine([]), affine([3, 5]), affine([0]), affine([8195])],
    any: fc.tuple(anyShape(0, 4), anySeed).map(([shape, seed]) => affine(shape, seed)),
    extreme: [
      { ...affine([]), inputs: [real(SPECIAL)] },
      { ...affine([]), inputs: [real(DENORMAL)] },
    ],
    gradients: 'checked',
  },
  cast: {
    awkward: [
      toWhole([]),
      toWhole([1.9, -1.9, 0, 7, 100.5, -0.5]),
      toReal([1, -1, 0, 7]),
      toReal([2 ** 24, -(2 ** 24)]),
    ],
    any: fc
      .tuple(fc.array(fc.float({ min: -1e6, max: 1e6, noNaN: true })), fc.boolean())
      .map(([values, back]) => (back ? toReal(values.map(Math.trunc)) : toWhole(values))),
    extreme: [toWhole([0, -0, 0.99999994, -0.99999994, 2 ** 24, -(2 ** 24)]), toWhole(DENORMAL)],
    gradients: 'none',
  },
} satisfies Record<string, OpSuite>;
