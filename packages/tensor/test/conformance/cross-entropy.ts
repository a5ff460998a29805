/** Suites of cross entropy. */
import * as fc from 'fast-check';
import { crossEntropy as crossEntropyOp, linearCrossEntropy } from '../../src/ops/cross-entropy.ts';
import { fromFlat, type NdArray, noise, range, total } from '../support/array.ts';
import { product } from './matmul.ts';
import { lengthened } from './row-cases.ts';
import { logSumExpRow } from './softmax.ts';
import { anyExtent, anySeed, type Input, type OpCase, type OpSuite, real, whole, wholeNoise } from './suite.ts';

const IGNORED = -100;

function lossesOf(logits: NdArray, labels: NdArray): number[] {
  const classes = logits.shape.at(-1)!;
  return [...labels.data].map((label, row) => {
    if (label === IGNORED) return 0;
    const line = logits.data.subarray(row * classes, (row + 1) * classes);
    return logSumExpRow(line) - line[label]!;
  });
}

/** Over the rows whose label counts. */
function meanLoss(logits: NdArray, labels: NdArray): NdArray {
  const counted = labels.data.filter((label) => label !== IGNORED).length;
  return fromFlat([], [total(lossesOf(logits, labels)) / counted]);
}

/** A loss may be far smaller than the logits that it is the difference of, and its gradient than the probabilities. */
const FLOOR = 0.5;

const fromLogits = (logits: Input, labels: Input): OpCase[] => [
  { inputs: [logits, labels], op: (x, y) => crossEntropyOp(x, y).loss, reference: meanLoss, floor: FLOOR },
  {
    inputs: [logits, labels],
    op: (x, y) => crossEntropyOp(x, y).losses,
    reference: (x, y) => fromFlat([y.data.length], lossesOf(x, y)),
    floor: FLOOR,
    untracked: true,
  },
];

const fromHidden = (hidden: Input, weight: Input, labels: Input): OpCase => ({
  inputs: [hidden, weight, labels],
  op: (x, w, y) => linearCrossEntropy(x, w, y).loss,
  reference: (x, w, y) => meanLoss(product({ transposeB: true })(x, w), y),
  floor: FLOOR,
  tolerance: 1e-5,
  gradientTolerance: 2e-5,
});

/** Labels of which every seventh is ignored. */
function someLabels(rows: number, classes: number, seed = 1): Input {
  const { data } = wholeNoise([rows], classes, seed);
  return whole(data.map((label, i) => (i % 7 === 3 ? IGNORED : label)));
}

const NONE = -Infinity;

export const crossEntropy = {
  crossEntropy: {
    awkward: [
      ...fromLogits(noise([5, 6], 1, 4), whole([1, IGNORED, 0, 4, 2])),
      ...fromLogits(noise([1, 1], 1, 4), whole([0])),
      ...fromLogits(noise([67, 131], 1, 4), someLabels(67, 131)),
      ...fromLogits(noise([3, 8195], 1, 4), someLabels(3, 8195)),
      ...fromLogits(noise([2, 3, 5], 1, 4), someLabels(6, 5)),
    ],
    any: fc
      .tuple(anyExtent, anyExtent, fc.constantFrom(0, 1), anySeed)
      .map(
        ([rows, classes, which, seed]) =>
          fromLogits(noise([rows, classes], seed, 4), someLabels(rows, classes, seed))[which]!,
      ),
    extreme: [
      ...fromLogits(real([1e4, 0, -1e4, -1e4, 0, 1e4, 64, 64, 64], [3, 3]), whole([0, 0, 2])),
      // WebGPU keeps log-sum-exp as one f32, which at such logits leaves few digits of the loss.
      ...fromLogits(real([3e4, 3e4, 3e4], [1, 3]), whole([2])).map((each) => ({ ...each, strict: true as const })),
      ...fromLogits(real([NONE, 0, 0, 1, NONE, 2], [2, 3]), whole([2, 0])),
      ...fromLogits(real([NONE, 0, 0, 1, NONE, 2], [2, 3]), whole([0, 0])),
      ...fromLogits(real([NaN, 0, 0, 1, 3, 2], [2, 3]), whole([2, 0])),
      ...fromLogits(lengthened(real([NONE, 0, 0, 1, NaN, 2, 1, 3, 2], [3, 3]), NONE), whole([0, 0, IGNORED])),
      ...fromLogits(real([NaN, 0, 0, 1, 3, 2], [2, 3]), whole([IGNORED, 0])),
      ...fromLogits(real([1, 0, 0, 1, 3, 2], [2, 3]), whole([IGNORED, IGNORED])),
      ...fromLogits(real([2 ** -140, 0, -(2 ** -140)], [1, 3]), whole([1])),
      ...fromLogits(noise([0, 3], 1), whole([])),
    ],
    gradients: 'checked',
  },
  linearCrossEntropy: {
    awkward: [
      fromHidden(noise([5, 3], 1, 2), noise([6, 3], 2, 2), whole([1, IGNORED, 0, 4, 2])),
      fromHidden(noise([1, 1], 1), noise([1, 1], 2), whole([0])),
      // Several chunks of rows.
      fromHidden(noise([601, 8], 1, 2), noise([7, 8], 2, 2), someLabels(601, 7)),
      fromHidden(noise([3, 37], 1), noise([257, 37], 2), someLabels(3, 257)),
    ],
    any: fc
      .tuple(anyExtent, anyExtent, anyExtent, anySeed)
      .map(([rows, width, classes, seed]) =>
        fromHidden(
          noise([rows, width], seed, 2),
          noise([classes, width], seed + 1, 2),
          someLabels(rows, classes, seed),
        ),
      ),
    extreme: [
      fromHidden(real([100, 0, -100, 3], [2, 2]), real([100, 1, -100, 1, 0, 0], [3, 2]), whole([0, 1])),
      fromHidden(real([NaN, 0, 1, 3], [2, 2]), noise([3, 2], 1), whole([0, 1])),
      fromHidden(real([NaN, 0, 1, 3], [2, 2]), noise([3, 2], 1), whole([IGNORED, 1])),
      fromHidden(noise([2, 2], 1), noise([3, 2], 1), whole([IGNORED, IGNORED])),
      fromHidden(
        real(
          range(4).map(() => 2 ** -140),
          [2, 2],
        ),
        noise([3, 2], 1),
        whole([0, 1]),
      ),
    ],
    gradients: 'checked',
  },
} satisfies Record<string, OpSuite>;
