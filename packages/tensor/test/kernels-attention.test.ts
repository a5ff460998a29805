import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { excess, randomArray, run } from './support-products.ts';

interface Shape {
  batch: number;
  sequence: number;
  heads: number;
  keyHeads: number;
  headDim: number;
  valueDim: number;
  scale: number;
}

type Inputs = Record<'q' | 'k' | 'v' | 'gradient', Float32Array>;
type Results = Record<'out' | 'logSumExp' | 'gradQ' | 'gradK' | 'gradV', Float64Array>;

/** Forward and backward in float64, straight from the definition. */
function reference(s: Shape, { q, k, v, gradient }: Inputs): Results {
  const { batch, sequence, heads, keyHeads, headDim, valueDim, scale } = s;
  const out = new Float64Array(gradient.length);
  const logSumExp = new Float64Array(batch * heads * sequence);
  const gradQ = new Float64Array(q.length);
  const gradK = new Float64Array(k.length);
  const gradV = new Float64Array(v.length);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const keyHead = Math.floor((h * keyHeads) / heads);
      for (let i = 0; i < sequence; i++) {
        const qAt = ((b * sequence + i) * heads + h) * headDim;
        const outAt = ((b * sequence + i) * heads + h) * valueDim;
        const scores = new Float64Array(i + 1);
        for (let j = 0; j <= i; j++) {
          const kAt = ((b * sequence + j) * keyHeads + keyHead) * headDim;
          for (let x = 0; x < headDim; x++) scores[j]! += scale * q[qAt + x]! * k[kAt + x]!;
        }
        const highest = Math.max(...scores);
        let sum = 0;
        for (const score of scores) sum += Math.exp(score - highest);
        logSumExp[(b * heads + h) * sequence + i] = highest + Math.log(sum);
        const p = scores.map((score) => Math.exp(score - highest) / sum);
        const dP = new Float64Array(i + 1);
        let delta = 0;
        for (let j = 0; j <= i; j++) {
          const vAt = ((b * sequence + j) * keyHeads + keyHead) * valueDim;
          for (let x = 0; x < valueDim; x++) {
            out[outAt + x]! += p[j]! * v[vAt + x]!;
            gradV[vAt + x]! += p[j]! * gradient[outAt + x]!;
            dP[j]! += gradient[outAt + x]! * v[vAt + x]!;
          }
          delta += p[j]! * dP[j]!;
        }
        for (let j = 0; j <= i; j++) {
          const dS = p[j]! * (dP[j]! - delta) * scale;
          const kAt = ((b * sequence + j) * keyHeads + keyHead) * headDim;
          for (let x = 0; x < headDim; x++) {
            gradQ[qAt + x]! += dS * k[kAt + x]!;
            gradK[kAt + x]! += dS * q[qAt + x]!;
          }
        }
      }
    }
  }
  return { out, logSumExp, gradQ, gradK, gradV };
}

async function check(shape: Shape, spread = 1): Promise<void> {
  const { batch, sequence, heads, keyHeads, headDim, valueDim } = shape;
  const tokens = batch * sequence;
  const inputs = {
    q: randomArray(tokens * heads * headDim, 1).map((x) => x * spread),
    k: randomArray(tokens * keyHeads * headDim, 2).map((x) => x * spread),
    v: randomArray(tokens * keyHeads * valueDim, 3),
    gradient: randomArray(tokens * heads * valueDim, 4),
  };
  const unset = (length: number): Float32Array => new Float32Array(length).fill(Number.NaN);
  const actual = await run(
    {
      ...inputs,
      out: unset(inputs.gradient.length),
      logSumExp: unset(batch * heads * sequence),
      gradQ: unset(inputs.q.length),
      gradK: unset(inputs.k.length),
      gradV: unset(inputs.v.length),
    },
    (kernels, buffers) => {
      kernels.attention({ ...buffers, ...shape });
      kernels.attentionBackward({ ...buffers, ...shape });
    },
  );
  const expected = reference(shape, inputs);
  for (const name of ['out', 'logSumExp', 'gradQ', 'gradK', 'gradV'] as const) {
    const tolerance =
      3e-6 * spread * spread * Math.sqrt((heads / keyHeads) * Math.max(1, name === 'out' ? 1 : sequence / 16));
    expect(excess(actual[name], expected[name], tolerance), `${name} of ${JSON.stringify(shape)}`).toBeLessThanOrEqual(
      0,
    );
  }
}

const base: Shape = { batch: 1, sequence: 1, heads: 1, keyHeads: 1, headDim: 8, valueDim: 8, scale: 0.35 };

describe('attention and its backward', () => {
  const shapes: readonly Partial<Shape>[] = [
    {},
    { sequence: 2, headDim: 1, valueDim: 1 },
    { sequence: 7, headDim: 5, valueDim: 3 },
    { batch: 2, sequence: 48, heads: 4, keyHeads: 2, headDim: 32, valueDim: 32 },
    { batch: 2, sequence: 49, heads: 8, keyHeads: 2, headDim: 16, valueDim: 24 },
    { batch: 20, sequence: 150, heads: 2, keyHeads: 1 },
    { sequence: 145, heads: 3, keyHeads: 3, headDim: 13, valueDim: 64 },
    { sequence: 700, heads: 2, keyHeads: 1, headDim: 64, valueDim: 32, scale: 0.125 },
    { sequence: 60, headDim: 256, valueDim: 192, scale: 1 / 16 },
  ];
  for (const shape of shapes) {
    it(`agrees with float64 for ${JSON.stringify(shape)}`, () => check({ ...base, ...shape }));
  }

  it('agrees with float64 for any shape', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          batch: fc.nat(2),
          sequence: fc.nat(100),
          keyHeads: fc.integer({ min: 1, max: 3 }),
          group: fc.integer({ min: 1, max: 3 }),
          headDim: fc.integer({ min: 1, max: 12 }),
          valueDim: fc.integer({ min: 1, max: 12 }),
        }),
        ({ group, ...shape }) => check({ ...base, ...shape, heads: group * shape.keyHeads }),
      ),
      { numRuns: 60 },
    ));

  it('stays finite and right with scores of many hundreds', () =>
    check({ ...base, sequence: 200, headDim: 32, scale: 1 }, 8));

  it('sees nothing that comes later', async () => {
    const [sequence, seen, headDim] = [300, 170, 16];
    const q = randomArray(sequence * headDim, 1);
    const attend = async (k: Float32Array, v: Float32Array): Promise<Float32Array | Int32Array> => {
      const { out } = await run(
        { q, k, v, out: new Float32Array(q.length), logSumExp: new Float32Array(sequence) },
        (kernels, buffers) => kernels.attention({ ...base, ...buffers, sequence, headDim, valueDim: headDim }),
      );
      return out.slice(0, seen * headDim);
    };
    const k = randomArray(sequence * headDim, 2);
    const v = randomArray(sequence * headDim, 3);
    const cut = (x: Float32Array): Float32Array => x.map((value, i) => (i < seen * headDim ? value : 1e3));
    expect(await attend(cut(k), cut(v))).toEqual(await attend(k, v));
  });
});
