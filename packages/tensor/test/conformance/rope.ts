/** Suites of rotary position embedding. */
import * as fc from 'fast-check';
import { rotary, rotaryTables } from '../../src/ops/rope.ts';
import type { Shape } from '../../src/shape.ts';
import { at, ndarray, noise } from '../support/array.ts';
import { anySeed, anyShape, DENORMAL, HERE, type Input, type OpCase, type OpSuite, real } from './suite.ts';

const tables = (positions: number, headDim: number, theta: number): OpCase[] =>
  (['cos', 'sin'] as const).map((which) => ({
    inputs: [HERE],
    op: ({ device }) => rotaryTables(device, positions, headDim, theta)[which],
    reference: () =>
      ndarray([positions, headDim / 2], ([position, i]) => Math[which](position! * theta ** ((-2 * i!) / headDim))),
  }));

interface Rotation {
  readonly interleaved?: boolean;
  readonly offset?: number;
  readonly x?: Input;
}

const rotated = (shape: Shape, { interleaved = false, offset = 0, x = noise(shape, 1) }: Rotation = {}): OpCase => ({
  inputs: [x],
  op: (input) => rotary(input, rotaryTables(input.device, offset + shape[1]!, shape[3]!, 100), { interleaved, offset }),
  reference: (input) => {
    const half = shape[3]! / 2;
    return ndarray(shape, ([b, s, h, i]) => {
      const pair = i! % half;
      const angle = (s! + offset) * 100 ** (-pair / half);
      const first = at(input, [b!, s!, h!, interleaved ? 2 * pair : pair]);
      const second = at(input, [b!, s!, h!, interleaved ? 2 * pair + 1 : pair + half]);
      return i! < half
        ? first * Math.cos(angle) - second * Math.sin(angle)
        : second * Math.cos(angle) + first * Math.sin(angle);
    });
  },
});

export const rope = {
  rotaryTables: {
    awkward: [...tables(1, 2, 100), ...tables(7, 6, 1e4), ...tables(0, 8, 1e4), ...tables(131, 64, 1e6)],
    any: fc
      .tuple(fc.nat({ max: 20 }), fc.integer({ min: 1, max: 8 }), fc.constantFrom(0, 1))
      .map(([positions, half, which]) => tables(positions, 2 * half, 1e4)[which]!),
    extreme: tables(3, 4, 1e30),
    gradients: 'in place',
  },
  rotary: {
    awkward: [
      rotated([1, 1, 1, 2]),
      rotated([2, 5, 3, 8]),
      rotated([2, 5, 3, 8], { interleaved: true }),
      rotated([1, 3, 2, 6], { offset: 2 }),
      rotated([1, 3, 2, 34], { interleaved: true, offset: 1 }),
      rotated([2, 0, 2, 8]),
      rotated([1, 67, 5, 64]),
    ],
    any: fc
      .tuple(anyShape(3, 3), fc.integer({ min: 1, max: 5 }), fc.boolean(), fc.nat({ max: 3 }), anySeed)
      .map(([[b, s, h], half, interleaved, offset, seed]) => {
        const shape = [b!, s!, h!, 2 * half];
        return rotated(shape, { interleaved, offset, x: noise(shape, seed) });
      }),
    extreme: [
      rotated([1, 2, 2, 2], { x: real([NaN, 1, 2, 0, 1e30, 2, Infinity, 1], [1, 2, 2, 2]) }),
      rotated([1, 1, 2, 2], { x: real([...DENORMAL, 0], [1, 1, 2, 2]) }),
    ],
    gradients: 'checked',
  },
} satisfies Record<string, OpSuite>;
