/** Suites of the norms. */
import * as fc from 'fast-check';
import { layerNorm, rmsNorm } from '../../src/ops/norm.ts';
import type { Shape } from '../../src/shape.ts';
import { map, noise, total } from '../support/array.ts';
import { anyRows, lengthened, onRows, SHAPES } from './row-cases.ts';
import { anySeed, DENORMAL, type Input, type OpCase, type OpSuite, real } from './suite.ts';

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

export const norm = {
  rmsNorm: {
    awkward: SHAPES.map((shape) => rms(shape, 0.1)),
    any: fc.tuple(anyRows, anySeed).map(([shape, seed]) => rms(shape, 0.1, noise(shape, seed, 3))),
    extreme: [
      rms([4, 3], 1e-6, ODD_ROWS),
      rms([4, 300], 1e-6, lengthened(ODD_ROWS, 0)),
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
} satisfies Record<string, OpSuite>;
