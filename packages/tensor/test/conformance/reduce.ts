/** Suites of the reductions. */
import * as fc from 'fast-check';
import { globalNorm, max, mean, min, type ReduceOptions, sum } from '../../src/ops/reduce.ts';
import { type Shape, sizeOf } from '../../src/shape.ts';
import type { Tensor } from '../../src/tensor.ts';
import { fromFlat, type NdArray, ndarray, noise, range, ravel, total } from '../support/array.ts';
import { anySeed, anyShape, DENORMAL, type Input, type OpCase, type OpSuite, real, SPECIAL } from './suite.ts';

type Reduction = (x: Tensor, axis?: number, options?: ReduceOptions) => Tensor;

/** Reduces one axis (or everything) with a function of the values along it. */
function reduceWith(f: (values: number[]) => number, axis: number | undefined, keepAxis: boolean) {
  return (x: NdArray): NdArray => {
    if (axis === undefined) return fromFlat(keepAxis ? x.shape.map(() => 1) : [], [f([...x.data])]);
    const where = axis < 0 ? axis + x.shape.length : axis;
    const stride = sizeOf(x.shape.slice(where + 1));
    const along = (index: number[]): number[] => {
      const first = ravel(index, x.shape);
      return range(x.shape[where]!).map((i) => x.data[first + i * stride]!);
    };
    const kept = ndarray(x.shape.with(where, 1), (index) => f(along(index)));
    return keepAxis ? kept : fromFlat(x.shape.toSpliced(where, 1), kept.data);
  };
}

const AWKWARD: readonly [Shape, number | undefined][] = [
  [[], undefined],
  [[1], 0],
  [[7], undefined],
  [[3, 5], 0],
  [[3, 5], 1],
  [[3, 5], -1],
  [[2, 3, 5], 1],
  [[2, 1, 33], 2],
  [[4, 67], undefined],
  [[2, 0], 1],
  [[2, 0], 0],
  [[0], undefined],
  [[3, 257, 19], 1],
  [[300, 2, 4], 1],
  [[2, 1023], 1],
];

function reduction(op: Reduction, f: (values: number[]) => number): OpSuite {
  const of = (input: Input, axis: number | undefined, keepAxis = false): OpCase => ({
    inputs: [input],
    op: (x) => op(x, axis, { keepAxis }),
    reference: reduceWith(f, axis, keepAxis),
  });
  return {
    awkward: [
      ...AWKWARD.flatMap(([shape, axis]) => [of(noise(shape, 3), axis), of(noise(shape, 3), axis, true)]),
      // Equal elements share the gradient.
      of(real([1, 1, 0.5, 2, 3, 2], [2, 3]), 1),
      of(real([1, 1, 1.5, 2, 0, 2], [2, 3]), 1),
      // The sum of so many numbers is far smaller than their magnitudes.
      { ...of(noise([100_003], 5), undefined), tolerance: 2e-5 },
      { ...of(noise([20_011, 3], 5), 0), tolerance: 2e-5 },
    ],
    any: fc
      .tuple(anyShape(1, 4), fc.nat(), fc.boolean(), anySeed)
      .map(([shape, axis, keepAxis, seed]) => of(noise(shape, seed), axis % shape.length, keepAxis)),
    extreme: [
      of(real([...SPECIAL], [SPECIAL.length, 1]), 1),
      of(real([1, NaN, 2, 3, Infinity, -Infinity, 4, 5, -Infinity, 1, 2, 3, Infinity, 0, 0, 0], [4, 4]), 1),
      of(real([1, NaN, 2, 3, Infinity, -Infinity, 4, 5], [2, 4]), 0),
      of(real([0, -0, 0, 3e38, 1, -2], [2, 3]), 1),
      of(real(DENORMAL, [3, 1]), 1),
    ],
    gradients: 'checked',
  };
}

const norm = (inputs: readonly Input[]): OpCase => ({
  inputs,
  op: (...xs) => globalNorm(xs),
  reference: (...xs) => fromFlat([], [Math.sqrt(total(xs.flatMap(({ data }) => total(data.map((x) => x * x)))))]),
});

export const reduce = {
  sum: reduction(sum, total),
  mean: reduction(mean, (values) => total(values) / values.length),
  max: reduction(max, (values) => values.reduce((most, x) => Math.max(most, x), -Infinity)),
  min: reduction(min, (values) => values.reduce((least, x) => Math.min(least, x), Infinity)),
  globalNorm: {
    awkward: [
      norm([noise([1], 1)]),
      norm([noise([0], 1)]),
      norm([5, 0, 3, 20_011, 7, 300, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((count, i) => noise([count], i + 1))),
      norm([noise([131, 67], 1), noise([], 2)]),
    ],
    any: fc
      .tuple(fc.array(anyShape(0, 3), { minLength: 1, maxLength: 4 }), anySeed)
      .map(([shapes, seed]) => norm(shapes.map((shape, i) => noise(shape, seed + i)))),
    extreme: [
      ...[Number.NaN, Infinity, -Infinity, 0, 1e18].map((value) => norm([noise([5], 1), real([1, value])])),
      norm([real(DENORMAL)]),
    ],
    gradients: 'none',
  },
} satisfies Record<string, OpSuite>;
