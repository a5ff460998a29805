/** Suites of the ops that pick, group and add up rows. */
import * as fc from 'fast-check';
import { concatenate } from '../../src/ops/movement.ts';
import {
  combineRows,
  dispatchRows,
  embedding,
  scatterAlongRows,
  segmentPlan,
  segmentSum,
  takeAlongRows,
  topK,
} from '../../src/ops/rows.ts';
import { type Shape, sizeOf } from '../../src/shape.ts';
import { at, fromFlat, type NdArray, ndarray, noise, range, total } from '../support/array.ts';
import {
  anyExtent,
  anySeed,
  DENORMAL,
  type Input,
  type OpCase,
  type OpSuite,
  real,
  SPECIAL,
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

const taken = (rows: number, columns: number, k: number, x: Input = noise([rows, columns], 1)): OpCase => ({
  inputs: [x, distinct(rows, columns, k)],
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

const embedded = (height: number, width: number, shape: Shape, seed = 1): OpCase => ({
  inputs: [noise([height, width], seed), wholeNoise(shape, height, seed)],
  op: embedding,
  reference: (table, ids) =>
    ndarray([...shape, width], (index) => at(table, [at(ids, index.slice(0, -1)), index.at(-1)!])),
});

/** Choices of tokens, and the order that sorts them stably by what was chosen. */
interface Choices {
  readonly tokens: number;
  readonly k: number;
  readonly experts: number;
  readonly width: number;
}

const orderOf = (keys: NdArray): number[] =>
  range(keys.data.length).toSorted((a, b) => keys.data[a]! - keys.data[b]! || a - b);

const keysOf = ({ tokens, k, experts }: Choices, seed: number): Input => wholeNoise([tokens, k], experts, seed);

const dispatched = (choices: Choices, seed = 1): OpCase => ({
  inputs: [noise([choices.tokens, choices.width], seed), keysOf(choices, seed)],
  op: (x, keys) => dispatchRows(x, segmentPlan(keys, choices.experts)),
  reference: (x, keys) => {
    const order = orderOf(keys);
    return ndarray([order.length, choices.width], ([p, c]) => at(x, [Math.floor(order[p!]! / choices.k), c!]));
  },
});

const combined = (choices: Choices, seed = 1): OpCase => ({
  inputs: [
    noise([choices.tokens * choices.k, choices.width], seed),
    noise([choices.tokens, choices.k], seed + 1),
    keysOf(choices, seed),
  ],
  op: (x, w, keys) => combineRows(x, w, segmentPlan(keys, choices.experts)),
  reference: (x, w, keys) => {
    const place = new Map(orderOf(keys).map((choice, p) => [choice, p]));
    return ndarray([choices.tokens, choices.width], ([t, c]) =>
      total(range(choices.k).map((j) => at(w, [t!, j]) * at(x, [place.get(t! * choices.k + j)!, c!]))),
    );
  },
});

const summed = (choices: Choices, seed = 1): OpCase => ({
  inputs: [noise([choices.tokens, choices.width], seed), keysOf(choices, seed)],
  op: (x, keys) => segmentSum(x, segmentPlan(keys, choices.experts)),
  reference: (x, keys) => {
    const { experts, width, k } = choices;
    const sums = new Float64Array(experts * width);
    for (const [i, key] of keys.data.entries())
      for (let c = 0; c < width; c++) sums[key * width + c]! += x.data[Math.floor(i / k) * width + c]!;
    return fromFlat([experts, width], sums);
  },
});

/** The four results of a plan, one after the other in one tensor of whole numbers. */
const planned = (count: number, segments: number, seed = 1): OpCase => ({
  inputs: [wholeNoise([count], segments, seed)],
  op: (keys) => {
    const { counts, offsets, order, inverse } = segmentPlan(keys, segments);
    return concatenate([counts, offsets, order, inverse], 0);
  },
  reference: (keys) => {
    const counts = countsOf(keys, segments);
    let before = 0;
    const offsets = [0, ...counts.map((size) => (before += size))];
    const order = orderOf(keys);
    const inverse = new Float64Array(order.length);
    for (const [place, i] of order.entries()) inverse[i] = place;
    const values = [...counts, ...offsets, ...order, ...inverse];
    return fromFlat([values.length], values);
  },
  tolerance: 0,
});

const countsOf = (keys: NdArray, segments: number): number[] => {
  const counts = Array<number>(segments).fill(0);
  for (const key of keys.data) counts[key]!++;
  return counts;
};

const CHOICES: readonly Choices[] = [
  { tokens: 1, k: 1, experts: 1, width: 1 },
  { tokens: 4, k: 2, experts: 5, width: 5 },
  { tokens: 0, k: 2, experts: 3, width: 4 },
  { tokens: 67, k: 3, experts: 131, width: 37 },
  { tokens: 61, k: 8, experts: 17, width: 129 },
  { tokens: 5, k: 2, experts: 3, width: 0 },
  { tokens: 2, k: 3, experts: 4, width: 301 },
];

const anyChoices: fc.Arbitrary<Choices> = fc.record({
  ...{ tokens: fc.nat({ max: 9 }), k: fc.integer({ min: 1, max: 4 }) },
  ...{ experts: fc.integer({ min: 1, max: 6 }), width: fc.integer({ min: 1, max: 20 }) },
});

/** The suite of an op on choices; `make` gives a case, whose first input the extreme cases spoil. */
function routed(make: (choices: Choices, seed?: number) => OpCase): OpSuite {
  const spoiled = (values: readonly number[]): OpCase => {
    const testCase = make({ tokens: 9, k: 1, experts: 9, width: 1 });
    const [x, ...rest] = testCase.inputs;
    return { ...testCase, inputs: [{ ...x!, data: x!.data.map((v, i) => values[i] ?? v) }, ...rest] };
  };
  return {
    awkward: CHOICES.map((choices) => make(choices)),
    any: fc.tuple(anyChoices, anySeed).map(([choices, seed]) => make(choices, seed)),
    extreme: [spoiled(SPECIAL), spoiled(DENORMAL)],
    gradients: 'checked',
  };
}

const anyTable = fc.record({ rows: fc.nat({ max: 6 }), columns: anyExtent, pick: fc.nat(), seed: anySeed });

export const rowOps = {
  embedding: {
    awkward: [
      embedded(6, 5, [2, 3]),
      embedded(1, 1, [1]),
      embedded(4, 37, []),
      embedded(3, 4, [0]),
      embedded(131, 67, [301]),
      embedded(7, 1027, [3]),
    ],
    any: fc
      .tuple(anyExtent, anyExtent, fc.nat({ max: 9 }), anySeed)
      .map(([h, w, n, seed]) => embedded(h, w, [n], seed)),
    extreme: [SPECIAL, DENORMAL].map((values) => ({
      ...embedded(values.length, 1, [20]),
      inputs: [real(values, [values.length, 1]), wholeNoise([20], values.length, 1)],
    })),
    gradients: 'checked',
  },
  dispatchRows: routed(dispatched),
  combineRows: routed(combined),
  segmentSum: routed(summed),
  segmentPlan: {
    awkward: [
      planned(0, 3),
      planned(1, 1),
      planned(9, 4),
      planned(701, 5),
      planned(300, 512),
      planned(200, 513),
      planned(31, 30_011),
    ],
    any: fc
      .tuple(fc.nat({ max: 60 }), fc.integer({ min: 1, max: 20 }), anySeed)
      .map(([count, segments, seed]) => planned(count, segments, seed)),
    // All keys are the same.
    extreme: [planned(67, 1)],
    gradients: 'none',
  },
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
    awkward: [taken(1, 1, 1), taken(5, 7, 3), taken(0, 3, 2), taken(33, 128, 8), taken(3, 5, 0), taken(701, 31, 4)],
    any: anyTable.map(({ rows, columns, pick, seed }) =>
      taken(rows, columns, pick % (columns + 1), noise([rows, columns], seed)),
    ),
    extreme: [SPECIAL, DENORMAL].map((values) =>
      taken(1, values.length, values.length, real(values, [1, values.length])),
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
