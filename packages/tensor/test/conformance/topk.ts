/** Suites of selection along rows. */
import * as fc from 'fast-check';
import { scatterAlongRows, takeAlongRows, topK } from '../../src/ops/topk.ts';
import { sizeOf } from '../../src/shape.ts';
import { at, fromFlat, type NdArray, ndarray, noise, range } from '../support/array.ts';
import {
  anyExtent,
  anySeed,
  DENORMAL,
  type Input,
  type OpCase,
  type OpSuite,
  real,
  SPECIAL,
  whole,
  wholeNoise,
} from './suite.ts';

/** The columns of a row from its largest element to its smallest: NaN first, the lowest column first among equals. */
function ranked(row: Float64Array): number[] {
  const before = (a: number, b: number): number => {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
    return a === b ? 0 : b - a;
  };
  return range(row.length).toSorted((i, j) => before(row[i]!, row[j]!));
}

function selected(x: Input, k: number): OpCase[] {
  const columns = x.shape.at(-1)!;
  const shape = [...x.shape.slice(0, -1), k];
  const pick = (of: (row: Float64Array, column: number) => number) => (input: NdArray) =>
    fromFlat(
      shape,
      range(sizeOf(shape) / k).flatMap((r) => {
        const row = input.data.subarray(r * columns, (r + 1) * columns);
        return ranked(row)
          .slice(0, k)
          .map((column) => of(row, column));
      }),
    );
  const exact = { inputs: [x], tolerance: 0, gradientTolerance: 1e-6 };
  return [
    { ...exact, op: (input) => topK(input, k).values, reference: pick((row, column) => row[column]!) },
    { ...exact, op: (input) => topK(input, k).indices, reference: pick((_, column) => column), untracked: true },
  ];
}

/** k distinct columns for each row. */
const distinct = (rows: number, columns: number, k: number): Input => ({
  ...ndarray([rows, k], ([row, j]) => (row! * 3 + j!) % columns),
  integer: true,
});

interface Taking {
  readonly x?: Input;
  readonly indices?: Input;
}

const taken = (
  rows: number,
  columns: number,
  k: number,
  { x = noise([rows, columns], 1), indices = distinct(rows, columns, k) }: Taking = {},
): OpCase => ({
  inputs: [x, indices],
  op: takeAlongRows,
  reference: (input, indices) => ndarray([rows, k], ([row, j]) => at(input, [row!, at(indices, [row!, j!])])),
  tolerance: 0,
  gradientTolerance: 1e-6,
});

interface Scatter {
  readonly x?: Input;
  readonly fill?: number;
}

const scattered = (
  rows: number,
  columns: number,
  k: number,
  { x = noise([rows, k], 1), fill = -3 }: Scatter = {},
): OpCase => ({
  inputs: [x, distinct(rows, columns, k)],
  op: (input, indices) => scatterAlongRows(input, indices, columns, fill),
  reference: (input, indices) =>
    ndarray([rows, columns], ([row, column]) => {
      const j = range(k).find((place) => at(indices, [row!, place]) === column);
      return j === undefined ? fill : at(input, [row!, j]);
    }),
  tolerance: 0,
  gradientTolerance: 1e-6,
});

const anyTable = fc.record({ rows: fc.nat({ max: 6 }), columns: anyExtent, pick: fc.nat(), seed: anySeed });

export const topk = {
  topK: {
    awkward: [
      ...selected(noise([1, 1], 1), 1),
      ...selected(noise([3, 7], 1), 2),
      ...selected(noise([4, 33], 1), 8),
      ...selected(noise([2, 5], 1), 5),
      ...selected(noise([2, 3, 200], 1), 3),
      ...selected(noise([0, 4], 1), 2),
      ...selected(noise([67, 131], 1), 64),
    ],
    any: anyTable.map(
      ({ rows, columns, pick, seed }) => selected(noise([rows, columns], seed), 1 + (pick % columns))[pick % 2]!,
    ),
    extreme: [
      ...[1, 4, SPECIAL.length].flatMap((k) => selected(real(SPECIAL, [1, SPECIAL.length]), k)),
      ...selected(real([1, 3, 3, NaN, -Infinity, 3, NaN, Infinity, 0, -0], [1, 10]), 7),
      ...selected(real([7, 7, 7, 7, 7, 1, 3, 3, 0, 3], [2, 5]), 3),
      ...selected(real([...DENORMAL, 0], [1, 4]), 4),
    ],
    gradients: 'checked',
  },
  takeAlongRows: {
    awkward: [
      taken(1, 1, 1),
      taken(5, 7, 3),
      taken(0, 3, 2),
      taken(33, 128, 8),
      taken(3, 5, 0),
      taken(701, 31, 4),
      // Columns that a row takes several times get the sum of their gradients; a row may be longer than it was.
      taken(3, 5, 4, { indices: whole([2, 2, 0, 2, 4, 4, 4, 4, 0, 1, 2, 3], [3, 4]) }),
      taken(67, 3, 8, { indices: wholeNoise([67, 8], 3, 2) }),
    ],
    any: anyTable.map(({ rows, columns, pick, seed }) => {
      const k = pick % (columns + 1);
      return taken(rows, columns, k, {
        x: noise([rows, columns], seed),
        indices: wholeNoise([rows, k], columns, seed),
      });
    }),
    extreme: [SPECIAL, DENORMAL].map((values) =>
      taken(1, values.length, values.length, { x: real(values, [1, values.length]) }),
    ),
    gradients: 'checked',
  },
  scatterAlongRows: {
    awkward: [
      scattered(1, 1, 1),
      scattered(5, 7, 3),
      scattered(0, 3, 2),
      scattered(33, 128, 8),
      scattered(3, 5, 0),
      scattered(701, 31, 4, { fill: 2 }),
    ],
    any: anyTable.map(({ rows, columns, pick, seed }) => {
      const k = pick % (columns + 1);
      return scattered(rows, columns, k, { x: noise([rows, k], seed) });
    }),
    extreme: [
      ...[SPECIAL, DENORMAL].map((values) =>
        scattered(1, 11, values.length, { x: real(values, [1, values.length]), fill: Number.NaN }),
      ),
      scattered(2, 5, 2, { fill: -Infinity }),
    ],
    gradients: 'checked',
  },
} satisfies Record<string, OpSuite>;
