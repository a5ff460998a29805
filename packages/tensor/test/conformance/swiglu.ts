/** Suite of the gated linear unit. */
import * as fc from 'fast-check';
import { swiGlu } from '../../src/ops/swiglu.ts';
import type { Shape } from '../../src/shape.ts';
import { at, ndarray, noise } from '../support/array.ts';
import { anySeed, anyShape, type Input, type OpCase, type OpSuite, real } from './suite.ts';

const silu = (x: number): number => x / (1 + Math.exp(-x));

const gated = (shape: Shape, x: Input = noise(shape, 1, 4)): OpCase => ({
  inputs: [x],
  op: swiGlu,
  reference: (input) => {
    const width = shape.at(-1)! / 2;
    return ndarray([...shape.slice(0, -1), width], (index) => {
      const up = index.with(shape.length - 1, index.at(-1)! + width);
      return silu(at(input, index)) * at(input, up);
    });
  },
});

export const swiglu = {
  swiGlu: {
    awkward: [gated([2]), gated([3, 8]), gated([2, 3, 34]), gated([0, 4]), gated([5, 0]), gated([3, 5002])],
    any: fc.tuple(anyShape(1, 3), anySeed).map(([shape, seed]) => {
      const doubled = shape.with(shape.length - 1, 2 * shape.at(-1)!);
      return gated(doubled, noise(doubled, seed, 4));
    }),
    extreme: [
      gated([1, 8], real([1e4, -1e4, 100, Infinity, 2, 2, -3, 2], [1, 8])),
      gated([3, 4], real([NaN, 1, 1, 1, 1, 1, NaN, 0, 0, -0, Infinity, 3], [3, 4])),
      gated([1, 4], real([2 ** -140, 1, 2, 2 ** -140], [1, 4])),
    ],
    gradients: 'checked',
  },
} satisfies Record<string, OpSuite>;
