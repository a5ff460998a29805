/** Products of few rows read B where it lies; they must give the bits that packed products give for the same rows. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builds, type KernelDevice, noise, openDevice } from './kernel-device.ts';

describe.each(builds)('products of few rows, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(2, relaxedSimd);
  });
  afterAll(() => device.close());

  it.each([
    [1, 1],
    [3, 2],
    [4, 4],
    [19, 7],
    [70, 300],
    [40, 512],
    [333, 1030],
  ])('%i columns, sums of %i', async (n, k) => {
    const many = 30;
    const a = noise(many * k, 1);
    const b = device.f32(noise(k * n, 2));
    const start = noise(many * n, 3);
    const product = async (m: number, transposeB: boolean, transposeA: boolean, accumulate: boolean) => {
      // The first m rows of op(a), stored either way.
      const rows = a.subarray(0, m * k);
      const left = transposeA ? rows.map((_, i) => rows[(i % m) * k + Math.floor(i / m)]!) : rows;
      const out = accumulate ? device.f32(start.subarray(0, m * n)) : device.empty(m * n);
      const buffers = { a: device.f32(left), b, out, aBatchStride: 0, bBatchStride: 0 };
      device.kernels.matmul({ ...buffers, batch: 1, m, n, k, transposeA, transposeB, accumulate });
      return await device.readF32(out);
    };
    for (const transposeB of [false, true]) {
      for (const accumulate of [false, true]) {
        const whole = await product(many, transposeB, false, accumulate);
        for (const m of [1, 2, 3, 4, 5, 24, 25]) {
          for (const transposeA of [false, true]) {
            expect(await product(m, transposeB, transposeA, accumulate)).toEqual(whole.subarray(0, m * n));
          }
        }
      }
    }
  });
});
