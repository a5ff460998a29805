/** Suites of attention and what stands around it. */
import * as fc from 'fast-check';
import { causalAttention, rotary, rotaryTables, swiGlu } from '../../src/ops/attention.ts';
import type { Shape } from '../../src/shape.ts';
import { at, fromFlat, type NdArray, ndarray, noise, range } from '../support/array.ts';
import { softmaxRow } from './normalization.ts';
import { anySeed, anyShape, DENORMAL, type Input, type OpCase, type OpSuite, real } from './suite.ts';

/** Only says on which device. */
const HERE: Input = real([]);

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

interface Heads {
  readonly batch?: number;
  readonly sequence: number;
  readonly positions?: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headDim: number;
  readonly valueDim: number;
}

function attend(scale: number) {
  return (q: NdArray, k: NdArray, v: NdArray): NdArray => {
    const [batch, sequence, heads, headDim] = q.shape as [number, number, number, number];
    const [, positions, keyHeads, valueDim] = v.shape as [number, number, number, number];
    const out = new Float64Array(batch * sequence * heads * valueDim);
    for (const b of range(batch))
      for (const s of range(sequence))
        for (const h of range(heads)) {
          const g = Math.floor((h * keyHeads) / heads);
          const query = (b * sequence + s) * heads + h;
          const key = (t: number): number => (b * positions + t) * keyHeads + g;
          // The queries are those of the last positions.
          const scores = new Float64Array(positions - sequence + s + 1);
          for (const t of scores.keys())
            for (let d = 0; d < headDim; d++)
              scores[t]! += scale * q.data[query * headDim + d]! * k.data[key(t) * headDim + d]!;
          for (const [t, p] of softmaxRow(scores).entries())
            for (let d = 0; d < valueDim; d++) out[query * valueDim + d]! += p * v.data[key(t) * valueDim + d]!;
        }
    return fromFlat([batch, sequence, heads, valueDim], out);
  };
}

function attention(sizes: Heads, seed = 1, scale?: number): OpCase {
  const { batch = 1, sequence, positions = sequence, heads, keyHeads, headDim, valueDim } = sizes;
  return {
    inputs: [
      noise([batch, sequence, heads, headDim], seed, 2),
      noise([batch, positions, keyHeads, headDim], seed + 1, 2),
      noise([batch, positions, keyHeads, valueDim], seed + 2),
    ],
    op: (q, k, v) => causalAttention(q, k, v, scale),
    reference: attend(scale ?? headDim ** -0.5),
    tolerance: 4e-6,
  };
}

/** The same with other numbers in place of an input. */
function withInput(testCase: OpCase, which: number, change: (x: Float64Array) => Float64Array): OpCase {
  const { shape, data } = testCase.inputs[which]!;
  return { ...testCase, inputs: testCase.inputs.with(which, fromFlat(shape, change(data.slice()))) };
}

const anyHeads: fc.Arbitrary<OpCase> = fc
  .record({
    ...{ batch: fc.integer({ min: 1, max: 2 }), sequence: fc.integer({ min: 1, max: 6 }) },
    ...{ cached: fc.integer({ min: 0, max: 3 }), keyHeads: fc.integer({ min: 1, max: 2 }) },
    ...{ share: fc.integer({ min: 1, max: 3 }), headDim: fc.integer({ min: 1, max: 6 }) },
    ...{ valueDim: fc.integer({ min: 1, max: 6 }), seed: anySeed },
  })
  .map(({ cached, share, seed, ...sizes }) =>
    attention({ ...sizes, positions: sizes.sequence + cached, heads: share * sizes.keyHeads }, seed),
  );

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

export const attentionOps = {
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
  causalAttention: {
    awkward: [
      attention({ sequence: 1, heads: 1, keyHeads: 1, headDim: 1, valueDim: 1 }),
      attention({ batch: 2, sequence: 5, heads: 4, keyHeads: 2, headDim: 4, valueDim: 4 }),
      attention({ sequence: 7, heads: 2, keyHeads: 2, headDim: 5, valueDim: 3 }),
      attention({ sequence: 9, heads: 3, keyHeads: 1, headDim: 8, valueDim: 16 }),
      attention({ batch: 9, sequence: 16, heads: 2, keyHeads: 1, headDim: 1, valueDim: 1 }),
      attention({ batch: 2, sequence: 1, positions: 6, heads: 4, keyHeads: 2, headDim: 4, valueDim: 3 }),
      attention({ batch: 2, sequence: 3, positions: 8, heads: 6, keyHeads: 2, headDim: 5, valueDim: 7 }),
      attention({ sequence: 0, heads: 2, keyHeads: 1, headDim: 4, valueDim: 4 }),
      attention({ sequence: 67, heads: 2, keyHeads: 1, headDim: 32, valueDim: 32 }, 1, 0.3),
      attention({ sequence: 127, heads: 1, keyHeads: 1, headDim: 5, valueDim: 3 }),
    ],
    any: anyHeads,
    extreme: [
      // Scores in the thousands choose one position; without any difference all count the same.
      withInput(attention({ sequence: 5, heads: 2, keyHeads: 1, headDim: 4, valueDim: 3 }), 0, (q) =>
        q.map((x) => 1000 * Math.round(4 * x)),
      ),
      withInput(attention({ sequence: 5, heads: 2, keyHeads: 1, headDim: 4, valueDim: 3 }), 1, (k) => k.fill(0)),
      // What lies behind a position does not reach it.
      withInput(attention({ sequence: 5, heads: 1, keyHeads: 1, headDim: 2, valueDim: 3 }), 2, (v) => v.fill(1e30, 12)),
      withInput(attention({ sequence: 3, heads: 1, keyHeads: 1, headDim: 2, valueDim: 3 }), 2, (v) =>
        v.fill(2 ** -140),
      ),
    ],
    gradients: 'checked',
  },
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
