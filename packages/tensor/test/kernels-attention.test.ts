/** Attention and its gradients against plain float64 code. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builds, excess, type KernelDevice, noise, onThreads, openDevice } from './kernel-device.ts';

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
const RESULTS = ['out', 'logSumExp', 'gradQ', 'gradK', 'gradV'] as const;
type Results<A> = Record<(typeof RESULTS)[number], A>;

/** Forward and backward in float64, straight from the definition. */
function reference(s: Shape, { q, k, v, gradient }: Inputs): Results<Float64Array> {
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

/** `spread` is the size of queries and keys, and with it that of the scores. */
function inputs({ batch, sequence, heads, keyHeads, headDim, valueDim }: Shape, spread: number): Inputs {
  const tokens = batch * sequence;
  return {
    q: noise(tokens * heads * headDim, 1).map((x) => x * spread),
    k: noise(tokens * keyHeads * headDim, 2).map((x) => x * spread),
    v: noise(tokens * keyHeads * valueDim, 3),
    gradient: noise(tokens * heads * valueDim, 4),
  };
}

async function attend(device: KernelDevice, shape: Shape, data: Inputs): Promise<Results<Float32Array>> {
  const { q, k, v, gradient } = data;
  const buffers = {
    q: device.f32(q),
    k: device.f32(k),
    v: device.f32(v),
    gradient: device.f32(gradient),
    out: device.empty(gradient.length),
    logSumExp: device.empty(shape.batch * shape.heads * shape.sequence),
    gradQ: device.empty(q.length),
    gradK: device.empty(k.length),
    gradV: device.empty(v.length),
  };
  device.kernels.attention({ ...shape, ...buffers });
  device.kernels.attentionBackward({ ...shape, ...buffers });
  const results = RESULTS.map(async (name) => [name, await device.readF32(buffers[name])] as const);
  return Object.fromEntries(await Promise.all(results)) as Results<Float32Array>;
}

async function check(device: KernelDevice, shape: Shape, spread = 1): Promise<void> {
  const data = inputs(shape, spread);
  const actual = await attend(device, shape, data);
  const expected = reference(shape, data);
  // Scores of size s have errors of about s 2^-24; sums over queries and heads add theirs up.
  const single = 3e-6 * spread ** 2;
  const summed = single * Math.sqrt((shape.heads / shape.keyHeads) * Math.max(1, shape.sequence / 16));
  for (const name of RESULTS) {
    const bound = name === 'out' || name === 'logSumExp' ? single : summed;
    expect(excess(actual[name], expected[name], bound, bound), `${name} of ${JSON.stringify(shape)}`).toBeLessThan(1);
  }
}

const base: Shape = { batch: 1, sequence: 1, heads: 1, keyHeads: 1, headDim: 8, valueDim: 8, scale: 0.35 };

const shapes: readonly Partial<Shape>[] = [
  {},
  { sequence: 2, headDim: 1, valueDim: 1 },
  { sequence: 7, headDim: 5, valueDim: 3 },
  { batch: 2, sequence: 60, heads: 4, keyHeads: 2, headDim: 32, valueDim: 32 },
  { batch: 2, sequence: 61, heads: 8, keyHeads: 2, headDim: 16, valueDim: 24 },
  { batch: 20, sequence: 150, heads: 2, keyHeads: 1 },
  { sequence: 121, heads: 3, keyHeads: 3, headDim: 13, valueDim: 64 },
  { sequence: 700, heads: 2, keyHeads: 1, headDim: 64, valueDim: 32, scale: 0.125 },
  { sequence: 50, headDim: 256, valueDim: 192, scale: 1 / 16 },
];

describe.each(builds)('attention and its gradients %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(0, relaxedSimd);
  });
  afterAll(() => device.close());

  it.each(shapes)('agree with float64 for %o', (shape) => check(device, { ...base, ...shape }));

  it('agree with float64 for any shape', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          batch: fc.nat(2),
          sequence: fc.nat(130),
          keyHeads: fc.integer({ min: 1, max: 3 }),
          group: fc.integer({ min: 1, max: 3 }),
          headDim: fc.integer({ min: 1, max: 12 }),
          valueDim: fc.integer({ min: 1, max: 12 }),
        }),
        ({ group, ...shape }) => check(device, { ...base, ...shape, heads: group * shape.keyHeads }),
      ),
      { numRuns: 40 },
    ));

  it('stay finite and right with scores of many hundreds', () =>
    check(device, { ...base, sequence: 200, headDim: 32, scale: 1 }, 8));

  it('see nothing that comes later', async () => {
    const shape = { ...base, sequence: 300, headDim: 16, valueDim: 16 };
    const seen = 170 * 16;
    const data = inputs(shape, 1);
    const cut = (x: Float32Array): Float32Array => x.map((value, i) => (i < seen ? value : 1e3));
    const whole = await attend(device, shape, data);
    const changed = await attend(device, shape, { ...data, k: cut(data.k), v: cut(data.v) });
    expect(changed.out.subarray(0, seen)).toEqual(whole.out.subarray(0, seen));
    expect(changed.gradQ.subarray(0, seen)).toEqual(whole.gradQ.subarray(0, seen));
  });
});

it('attention gives the same bits on any number of threads', async () => {
  const shape = { ...base, batch: 2, sequence: 260, heads: 4, keyHeads: 2, headDim: 24, valueDim: 16 };
  const data = inputs(shape, 1);
  const [first, ...others] = await onThreads((device) => attend(device, shape, data));
  for (const other of others) expect(other).toEqual(first);
});
