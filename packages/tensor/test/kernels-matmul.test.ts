/** Matrix products against plain float64 code. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builds, excess, type KernelDevice, noise, onThreads, openDevice } from './kernel-device.ts';

interface Product {
  batch: number;
  m: number;
  n: number;
  k: number;
  transposeA: boolean;
  transposeB: boolean;
  accumulate: boolean;
  sharedA: boolean;
  sharedB: boolean;
}

/** `out (+)= op(a) op(b)` in float64. */
function reference(p: Product, a: Float32Array, b: Float32Array, out: Float32Array): Float64Array {
  const { m, n, k } = p;
  const result = Float64Array.from(out);
  for (let x = 0; x < p.batch; x++) {
    const aStart = p.sharedA ? 0 : x * m * k;
    const bStart = p.sharedB ? 0 : x * k * n;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let s = 0; s < k; s++) {
          sum +=
            a[aStart + (p.transposeA ? s * m + i : i * k + s)]! * b[bStart + (p.transposeB ? j * k + s : s * n + j)]!;
        }
        result[(x * m + i) * n + j] = sum + (p.accumulate ? result[(x * m + i) * n + j]! : 0);
      }
    }
  }
  return result;
}

async function multiply(device: KernelDevice, p: Product): Promise<Float32Array> {
  const { m, n, k } = p;
  const [aData, bData, outData] = inputs(p);
  const a = device.f32(aData);
  const b = device.f32(bData);
  const out = device.f32(outData);
  const aBatchStride = p.sharedA ? 0 : m * k;
  const bBatchStride = p.sharedB ? 0 : k * n;
  device.kernels.matmul({ ...p, a, b, out, aBatchStride, bBatchStride });
  return await device.readF32(out);
}

/** a, b and what stands in out: NaN unless it is added to. */
function inputs(p: Product): [Float32Array, Float32Array, Float32Array] {
  const size = p.batch * p.m * p.n;
  return [
    noise((p.sharedA ? 1 : p.batch) * p.m * p.k, 1),
    noise((p.sharedB ? 1 : p.batch) * p.k * p.n, 2),
    p.accumulate ? noise(size, 3) : new Float32Array(size).fill(Number.NaN),
  ];
}

async function check(device: KernelDevice, p: Product): Promise<void> {
  const bound = 1e-6 * Math.sqrt(p.k + 1);
  expect(excess(await multiply(device, p), reference(p, ...inputs(p)), bound, bound), JSON.stringify(p)).toBeLessThan(
    1,
  );
}

const plain: Product = {
  batch: 1,
  m: 1,
  n: 1,
  k: 1,
  transposeA: false,
  transposeB: false,
  accumulate: false,
  sharedA: false,
  sharedB: false,
};

const shapes = [
  [1, 1, 1],
  [1, 40, 300],
  [2, 7, 3],
  [6, 8, 256],
  [7, 9, 257],
  [13, 1, 5],
  [64, 64, 1],
  [100, 33, 128],
  [193, 257, 31],
  [250, 300, 520],
  [400, 17, 16],
] as const;

describe.each(builds)('matmul %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(0, relaxedSimd);
  });
  afterAll(() => device.close());

  it.each(shapes)('agrees with float64 for %i x %i x %i, stored either way', async (m, n, k) => {
    for (const transposeA of [false, true]) {
      for (const transposeB of [false, true]) await check(device, { ...plain, m, n, k, transposeA, transposeB });
    }
  });

  it('agrees with float64 on any shape, batched, shared and accumulating', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          batch: fc.nat(3),
          m: fc.nat(40),
          n: fc.nat(40),
          k: fc.nat(40),
          transposeA: fc.boolean(),
          transposeB: fc.boolean(),
          accumulate: fc.boolean(),
          sharedA: fc.boolean(),
          sharedB: fc.boolean(),
        }),
        (p) => check(device, p),
      ),
      { numRuns: 200 },
    ));

  it('gives zeros, or leaves out alone, when the sum is empty', async () => {
    for (const accumulate of [false, true]) await check(device, { ...plain, batch: 2, m: 7, n: 11, k: 0, accumulate });
  });

  it('keeps infinities and NaN to the rows that they stand in', async () => {
    const [m, n, k] = [8, 11, 9];
    const a = noise(m * k, 1);
    a[2 * k + 3] = Number.POSITIVE_INFINITY;
    a[7 * k + 8] = Number.NaN;
    const out = device.empty(m * n);
    const b = device.f32(noise(k * n, 2).map(Math.abs));
    device.kernels.matmul({ ...plain, a: device.f32(a), b, out, m, n, k, aBatchStride: 0, bBatchStride: 0 });
    const result = await device.readF32(out);
    const rows = Array.from({ length: m }, (_, row) => [...result.subarray(row * n, (row + 1) * n)]);
    expect(rows[2]!.every((x) => x === Number.POSITIVE_INFINITY)).toBe(true);
    expect(rows[7]!.every(Number.isNaN)).toBe(true);
    for (const row of [0, 1, 3, 4, 5, 6]) expect(rows[row]!.every(Number.isFinite)).toBe(true);
  });
});

it.each([
  [200, 150, 300],
  [77, 600, 40],
  [1000, 9, 130],
])('matmul %i x %i x %i gives the same bits on any number of threads', async (m, n, k) => {
  for (const transposed of [false, true]) {
    const p = { ...plain, m, n, k, transposeA: transposed, transposeB: transposed, accumulate: true };
    const [first, ...others] = await onThreads((device) => multiply(device, p));
    for (const other of others) expect(other).toEqual(first);
  }
});
