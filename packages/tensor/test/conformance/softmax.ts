/** Suites of softmax and its logarithms. */
import * as fc from 'fast-check';
import { logSoftmax, logSumExp, softmax as softmaxOp } from '../../src/ops/softmax.ts';
import type { Shape } from '../../src/shape.ts';
import { fromFlat, type NdArray, noise, range, total } from '../support/array.ts';
import { anyRows, lengthened, onRows, SHAPES } from './row-cases.ts';
import { anySeed, DENORMAL, type Input, type OpCase, type OpSuite, real } from './suite.ts';

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
      { ...of([]), inputs: [lengthened(LOGITS, NONE)] },
      { ...of([]), inputs: [real([1, Infinity, 2, 3, 4, 0], [2, 3])], strict: true },
      { ...of([]), inputs: [real([...DENORMAL, 0], [1, 4])] },
    ],
    gradients: 'checked',
  };
}

export const softmax = {
  softmax: ofLogits(softmaxOp, (x) => onRows(x, softmaxRow)),
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
