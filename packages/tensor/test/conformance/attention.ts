/** Suite of attention. */
import * as fc from 'fast-check';
import { causalAttention } from '../../src/ops/attention.ts';
import { fromFlat, type NdArray, noise, range } from '../support/array.ts';
import { softmaxRow } from './softmax.ts';
import { anySeed, type OpCase, type OpSuite } from './suite.ts';

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

function attended(sizes: Heads, seed = 1, scale?: number): OpCase {
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
    attended({ ...sizes, positions: sizes.sequence + cached, heads: share * sizes.keyHeads }, seed),
  );

export const attention = {
  causalAttention: {
    awkward: [
      attended({ sequence: 1, heads: 1, keyHeads: 1, headDim: 1, valueDim: 1 }),
      attended({ batch: 2, sequence: 5, heads: 4, keyHeads: 2, headDim: 4, valueDim: 4 }),
      attended({ sequence: 7, heads: 2, keyHeads: 2, headDim: 5, valueDim: 3 }),
      attended({ sequence: 9, heads: 3, keyHeads: 1, headDim: 8, valueDim: 16 }),
      attended({ batch: 9, sequence: 16, heads: 2, keyHeads: 1, headDim: 1, valueDim: 1 }),
      attended({ batch: 2, sequence: 1, positions: 6, heads: 4, keyHeads: 2, headDim: 4, valueDim: 3 }),
      attended({ batch: 2, sequence: 3, positions: 8, heads: 6, keyHeads: 2, headDim: 5, valueDim: 7 }),
      attended({ sequence: 0, heads: 2, keyHeads: 1, headDim: 4, valueDim: 4 }),
      attended({ sequence: 67, heads: 2, keyHeads: 1, headDim: 32, valueDim: 32 }, 1, 0.3),
      attended({ sequence: 127, heads: 1, keyHeads: 1, headDim: 5, valueDim: 3 }),
    ],
    any: anyHeads,
    extreme: [
      // Scores in the thousands choose one position; without any difference all count the same.
      withInput(attended({ sequence: 5, heads: 2, keyHeads: 1, headDim: 4, valueDim: 3 }), 0, (q) =>
        q.map((x) => 1000 * Math.round(4 * x)),
      ),
      withInput(attended({ sequence: 5, heads: 2, keyHeads: 1, headDim: 4, valueDim: 3 }), 1, (k) => k.fill(0)),
      // What lies behind a position does not reach it.
      withInput(attended({ sequence: 5, heads: 1, keyHeads: 1, headDim: 2, valueDim: 3 }), 2, (v) => v.fill(1e30, 12)),
      withInput(attended({ sequence: 3, heads: 1, keyHeads: 1, headDim: 2, valueDim: 3 }), 2, (v) => v.fill(2 ** -140)),
    ],
    gradients: 'checked',
  },
} satisfies Record<string, OpSuite>;
