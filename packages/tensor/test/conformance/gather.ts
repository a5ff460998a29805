/** Suites of the gathers of rows. */
import * as fc from 'fast-check';
import { combineRows, dispatchRows, embedding } from '../../src/ops/gather.ts';
import { segmentPlan } from '../../src/ops/segments.ts';
import type { Shape } from '../../src/shape.ts';
import { at, ndarray, noise, range, total } from '../support/array.ts';
import { type Choices, keysOf, orderOf, routed } from './segments.ts';
import { anyExtent, anySeed, DENORMAL, type OpCase, type OpSuite, real, SPECIAL, wholeNoise } from './suite.ts';

const embedded = (height: number, width: number, shape: Shape, seed = 1): OpCase => ({
  inputs: [noise([height, width], seed), wholeNoise(shape, height, seed)],
  op: embedding,
  reference: (table, ids) =>
    ndarray([...shape, width], (index) => at(table, [at(ids, index.slice(0, -1)), index.at(-1)!])),
});

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

export const gather = {
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
} satisfies Record<string, OpSuite>;
