/** Suites of sorting into segments and of their sums. */
import * as fc from 'fast-check';
import { concatenate } from '../../src/ops/movement.ts';
import { segmentPlan, segmentSum } from '../../src/ops/segments.ts';
import { fromFlat, type NdArray, noise, range } from '../support/array.ts';
import { anySeed, DENORMAL, type Input, type OpCase, type OpSuite, SPECIAL, wholeNoise } from './suite.ts';

/** Choices of tokens, and the order that sorts them stably by what was chosen. */
export interface Choices {
  readonly tokens: number;
  readonly k: number;
  readonly experts: number;
  readonly width: number;
}

export const orderOf = (keys: NdArray): number[] =>
  range(keys.data.length).toSorted((a, b) => keys.data[a]! - keys.data[b]! || a - b);

export const keysOf = ({ tokens, k, experts }: Choices, seed: number): Input => wholeNoise([tokens, k], experts, seed);

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
export function routed(make: (choices: Choices, seed?: number) => OpCase): OpSuite {
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

export const segments = {
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
} satisfies Record<string, OpSuite>;
