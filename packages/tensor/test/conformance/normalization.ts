/** Suites of what works along the last axis: norms, softmax and its relatives. */
import * as fc from 'fast-check';
import { layerNorm, logSoftmax, logSumExp, rmsNorm, softmax } from '../../src/ops/normalization.ts';
import type { Shape } from '../../src/shape.ts';
import { fromFlat, map, type NdArray, noise, range, total } from '../support/array.ts';
import { anyExtent, anySeed, anyShape, DENORMAL, type Input, type OpCase, type OpSuite, real } from './suite.ts';

/** Applies a function to each row along the last axis. */
function onRows(x: NdArray, f: (row: Float64Array) => ArrayLike<number>): NdArray {
  const columns = x.shape.at(-1)!;
  const out = new Float64Array(x.data.length);
  for (let i = 0; i < x.data.length; i += columns) out.set(f(x.data.subarray(i, i + columns)), i);
  return { shape: x.shape, data: out };
}

const largestOf = (row: Float64Array): number => row.reduce((most, x) => Math.max(most, x), -Infinity);

/** exp(x) / sum(exp(x)) of a row. */
export function softmaxRow(row: Float64Array): Float64Array {
  const largest = largestOf(row);
  const exps = row.map((x) => Math.exp(x - largest));
  const sum = total(exps);
  return exps.map((x) => x / sum);
}

/** log(sum(exp(x))) of a row; infinite or NaN where its largest element is. */
export function logSumExpRow(row: Float64Array): number {
  const largest = largestOf(row);
  return Number.isFinite(largest) ? largest + Math.log(total(row.map((x) => Math.exp(x - largest)))) : largest;
}

const SHAPES: readonly Shape[] = [[1], [1, 1], [3, 5], [2, 3, 32], [5, 67], [0, 4], [2, 8195], [701, 13]];
const anyRows: fc.Arbitrary<number[]> = fc
  .tuple(anyShape(0, 2), anyExtent)
  .map(([lead, columns]) => [...lead, columns]);

const NONE = -Infinity;
/** Rows of logits: far apart, without any mass, NaN. */
const LOGITS: Input = real(
  [
    ...[1e4, 0, -1e4, 3, 1e4],
    ...[NONE, 0, 0, NONE, 1],
    ...[NONE, NONE, NONE, NONE, NONE],
    ...[NaN, 1, 2, 3, 4],
    ...[1, 2, 3, 4, NaN],
    ...[-3e38, 3e38, 0, -0, 1],
    ...[1, 2, 3, 4, 5],
  ],
  [7, 5],
);

/** An op whose only argument are logits. */
function ofLogits(op: OpCase['op'], reference: (x: NdArray) => NdArray): OpSuite {
  const of = (shape: Shape, seed = 1, scale = 6): OpCase => ({ inputs: [noise(shape, seed, scale)], op, reference });
  return {
    awkward: [...SHAPES.map((shape) => of(shape)), of([3, 7], 1, 60), of([3, 7], 1, 0.01)],
    any: fc.tuple(anyRows, anySeed).map(([shape, seed]) => of(shape, seed, 2)),
    extreme: [
      { ...of([]), inputs: [LOGITS] },
      { ...of([]), inputs: [real([1, Infinity, 2, 3, 4, 0], [2, 3])], strict: true },
      { ...of([]), inputs: [real([...DENORMAL, 0], [1, 4])] },
    ],
    gradients: 'checked',
  };
}

const rms = (shape: Shape, epsilon: number, x: Input = noise(shape, 1, 2)): OpCase => ({
  inputs: [x, noise([shape.at(-1)!], 2)],
  op: (input, w) => rmsNorm(input, w, epsilon),
  reference: (input, w) =>
    onRows(input, (row) => {
      const inverse = 1 / Math.sqrt(total(row.map((v) => v * v)) / row.length + epsilon);
      return row.map((v, i) => w.data[i]! * v * inverse);
    }),
});

const layer = (shape: Shape, epsilon: number, x: Input = noise(shape, 1, 2)): OpCase => ({
  inputs: [x, noise([shape.at(-1)!], 2), noise([shape.at(-1)!], 3)],
  op: (input, w, b) => layerNorm(input, w, b, epsilon),
  reference: (input, w, b) =>
    onRows(input, (row) => {
      const mean = total(row) / row.length;
      const inverse = 1 / Math.sqrt(total(row.map((v) => (v - mean) ** 2)) / row.length + epsilon);
      return row.map((v, i) => w.data[i]! * (v - mean) * inverse + b.data[i]!);
    }),
  tolerance: 4e-6,
});

/** Rows of zeros, with NaN, with an infinity, and one that all of them leave alone. */
const ODD_ROWS: Input = real([0, 0, -0, 1, NaN, 2, 1, Infinity, -2, 3, 4, 5], [4, 3]);

export const normalization = {
  rmsNorm: {
    awkward: SHAPES.map((shape) => rms(shape, 0.1)),
    any: fc.tuple(anyRows, anySeed).map(([shape, seed]) => rms(shape, 0.1, noise(shape, seed, 3))),
    extreme: [
      rms([4, 3], 1e-6, ODD_ROWS),
      rms([1, 3], 1e-6, real([1e15, -1e15, 3e14], [1, 3])),
      rms([1, 3], 1e-6, real(DENORMAL, [1, 3])),
    ],
    gradients: 'checked',
  },
  layerNorm: {
    awkward: SHAPES.map((shape) => layer(shape, 1e-2)),
    any: fc.tuple(anyRows, anySeed).map(([shape, seed]) => layer(shape, 1e-2, noise(shape, seed, 3))),
    extreme: [
      layer([4, 3], 1e-5, ODD_ROWS),
      // Far from zero the variance is exact only around the mean.
      layer(
        [1, 64],
        1e-5,
        map(noise([1, 64], 1), (x) => 10_000 + Math.round(4 * x)),
      ),
      layer([1, 3], 1e-5, real(DENORMAL, [1, 3])),
    ],
    gradients: 'checked',
  },
  softmax: ofLogits(softmax, (x) => onRows(x, softmaxRow)),
  logSoftmax: ofLogits(logSoftmax, (x) =>
    onRows(x, (row) => {
      const largest = largestOf(row);
      const shifted = row.map((v) => v - largest);
      const sum = Math.log(total(shifted.map(Math.exp)));
      return shifted.map((v) => v - sum);
    }),
  ),
  logSumExp: ofLogits(logSumExp, (x) => {
    const columns = x.shape.at(-1)!;
    const rows = range(x.data.length / columns);
    return fromFlat(
      x.shape.slice(0, -1),
      rows.map((i) => logSumExpRow(x.data.subarray(i * columns, (i + 1) * columns))),
    );
  }),
} satisfies Record<string, OpSuite>;
