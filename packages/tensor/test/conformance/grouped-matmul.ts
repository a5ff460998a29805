/** Suite of the products of groups of rows. */
import * as fc from 'fast-check';
import { groupedLinear } from '../../src/ops/grouped-matmul.ts';
import { segmentPlan } from '../../src/ops/segments.ts';
import { ndarray, noise } from '../support/array.ts';
import { spoiled } from './matmul.ts';
import { anyExtent, anySeed, type OpCase, type OpSuite, real, whole } from './suite.ts';

/** Rows already sorted into groups of the given sizes. */
function grouped(sizes: readonly number[], inner: number, out: number, seed = 1): OpCase {
  const groupOf = sizes.flatMap((size, g) => Array<number>(size).fill(g));
  return {
    inputs: [noise([groupOf.length, inner], seed), noise([sizes.length, out, inner], seed + 1), whole(groupOf)],
    op: (x, w, keys) => groupedLinear(x, w, segmentPlan(keys, sizes.length)),
    reference: (x, w) =>
      ndarray([groupOf.length, out], ([row, column]) => {
        let sum = 0;
        for (let i = 0; i < inner; i++)
          sum += x.data[row! * inner + i]! * w.data[(groupOf[row!]! * out + column!) * inner + i]!;
        return sum;
      }),
  };
}

export const groupedMatmul = {
  groupedLinear: {
    awkward: [
      grouped([3, 0, 5, 1], 5, 8),
      grouped([0, 0, 9], 12, 7),
      grouped([1], 1, 1),
      grouped([0, 0], 3, 2),
      grouped([0, 4, 0, 0, 2, 70, 0], 12, 7),
      grouped([131, 3], 64, 33),
      grouped([2, 3], 0, 2),
    ],
    any: fc
      .tuple(fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 5 }), anyExtent, anyExtent, anySeed)
      .map(([sizes, inner, out, seed]) => grouped(sizes, inner, out, seed)),
    extreme: [
      ...[Infinity, Number.NaN].map((value) => spoiled(grouped([2, 0, 3], 4, 5), value)),
      {
        ...grouped([1, 1], 1, 1),
        inputs: [real([2 ** -140, 1], [2, 1]), real([1, 2 ** -140], [2, 1, 1]), whole([0, 1])],
      },
    ],
    gradients: 'checked',
  },
} satisfies Record<string, OpSuite>;
