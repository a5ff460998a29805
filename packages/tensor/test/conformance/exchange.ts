/** The suite of rows in parts; exchanges of ranks have tests of their own. */
import * as fc from 'fast-check';
import { rowParts } from '../../src/ops/exchange.ts';
import { concatenate } from '../../src/ops/movement.ts';
import { sizeOf } from '../../src/shape.ts';
import { at, ndarray, noise, range } from '../support/array.ts';
import { anySeed, DENORMAL, type Input, type OpCase, type OpSuite, real, SPECIAL } from './suite.ts';

/** Joins the parts of some rows again, the last first. */
const inParts = (counts: readonly number[], input: Input): OpCase => {
  const starts = counts.map((_, i) => counts.slice(0, i).reduce((a, b) => a + b, 0));
  const places = counts
    .flatMap((count, i) => [range(count).map((row) => starts[i]! + row)])
    .toReversed()
    .flat();
  return {
    inputs: [input],
    op: (x) => concatenate(rowParts(x, counts).toReversed(), 0),
    reference: (x) => ndarray(x.shape, ([row, column]) => at(x, [places[row!]!, column!])),
    tolerance: 0,
    gradientTolerance: 1e-6,
  };
};

const AWKWARD = [
  [[3], 4],
  [[2, 0, 3], 5],
  [[0], 3],
  [[0, 0, 1], 1],
  [[67, 1, 31], 37],
] as const;

const rowsOf = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

const filled = (values: readonly number[], counts: readonly number[], width: number): OpCase => {
  const shape = [rowsOf(counts), width];
  return inParts(
    counts,
    real(
      range(sizeOf(shape)).map((i) => values[i % values.length]!),
      shape,
    ),
  );
};

export const exchange = {
  rowParts: {
    awkward: AWKWARD.map(([counts, width]) => inParts(counts, noise([rowsOf(counts), width], 3))),
    any: fc
      .tuple(fc.array(fc.nat(5), { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 9 }), anySeed)
      .map(([counts, width, seed]) => inParts(counts, noise([rowsOf(counts), width], seed))),
    extreme: AWKWARD.flatMap(([counts, width]) => [SPECIAL, DENORMAL].map((values) => filled(values, counts, width))),
    gradients: 'checked',
  },
} satisfies Record<string, OpSuite>;
