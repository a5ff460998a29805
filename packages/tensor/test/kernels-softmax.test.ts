/** Softmax and the logarithm of sums of exponentials against plain float64 code. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builds, type KernelDevice, noise, onThreads, openDevice } from './kernel-device.ts';
import { expectClose, rowsOf, SHAPES, total } from './support/rows.ts';

const largestOf = (x: readonly number[]): number => x.reduce((most, v) => Math.max(most, v), -Infinity);
const softmax = (x: readonly number[]): number[] => {
  const largest = largestOf(x);
  const powers = x.map((v) => Math.exp(v - largest));
  const sum = total(powers);
  return powers.map((v) => v / sum);
};
const logSumExp = (x: readonly number[]): number => {
  const largest = largestOf(x);
  return Number.isFinite(largest) ? largest + Math.log(total(x.map((v) => Math.exp(v - largest)))) : largest;
};

describe.each(builds)('softmax, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

  describe('softmax and logSumExp', () => {
    const run = async (x: Float32Array, rows: number, columns: number) => {
      const [xs, out, sums] = [device.f32(x), device.empty(x.length), device.empty(rows)];
      device.kernels.softmax({ x: xs, out, rows, columns });
      device.kernels.logSumExp({ x: xs, out: sums, rows, columns });
      return { out: await device.readF32(out), sums: await device.readF32(sums) };
    };

    it.each(SHAPES)('[%i, %i] of small and large logits', async (rows, columns) => {
      for (const scale of [1, 30, 1e4, 1e30]) {
        const x = noise(rows * columns, 1).map((v) => scale * v);
        const { out, sums } = await run(x, rows, columns);
        expectClose(out, rowsOf(x, rows, columns).flatMap(softmax), 1e-6);
        expectClose(sums, rowsOf(x, rows, columns).map(logSumExp), 5e-7);
      }
    });

    it('takes a vocabulary in one row', async () => {
      const x = noise(151_936, 1).map((v) => 4 * v);
      const { out, sums } = await run(x, 1, x.length);
      expectClose(sums, [logSumExp(Array.from(x))], 1e-7);
      expectClose(out, softmax(Array.from(x)), 1e-10);
      expect(Math.abs(total(Array.from(out)) - 1)).toBeLessThanOrEqual(5e-7);
    });

    it('infinities and NaN stay in their row', async () => {
      const none = -Infinity;
      const rows = [
        [none, none, none, none, none],
        [none, 1, none, 2, none],
        [1, Infinity, 2, 3, 4],
        [Number.NaN, 1, 2, 3, 4],
        [1, 2, 3, 4, Number.NaN],
        [1, 2, 3, 4, 5],
      ];
      const { out, sums } = await run(Float32Array.from(rows.flat()), rows.length, 5);
      const [empty, some, infinite, , , finite] = rowsOf(out, rows.length, 5);
      expect(empty).toEqual(Array(5).fill(Number.NaN));
      expectClose(some!, softmax([none, 1, none, 2, none]), 1e-6);
      expect(infinite![1]).toBeNaN();
      expect(out.slice(15, 25).every(Number.isNaN)).toBe(true);
      expectClose(finite!, softmax(rows[5]!), 1e-6);
      expectClose(sums, [none, logSumExp([1, 2]), Infinity, Number.NaN, Number.NaN, logSumExp(rows[5]!)], 5e-7);
    });

    it.each(SHAPES)('[%i, %i] backward', async (rows, columns) => {
      const [y, gradient] = [noise(rows * columns, 1), noise(rows * columns, 2)];
      const out = device.empty(y.length);
      device.kernels.softmaxBackward({ y: device.f32(y), gradient: device.f32(gradient), out, rows, columns });
      const gradients = rowsOf(gradient, rows, columns);
      const expected = rowsOf(y, rows, columns).flatMap((row, r) => {
        const dot = total(row.map((v, i) => v * gradients[r]![i]!));
        return row.map((v, i) => v * (gradients[r]![i]! - dot));
      });
      expectClose(await device.readF32(out), expected, 1e-6);
    });
  });

  it('gives the same bits on any number of threads', async () => {
    const [rows, columns] = [701, 67];
    const x = noise(rows * columns);
    const [one, ...others] = await onThreads(async (other) => {
      const out = other.empty(x.length);
      other.kernels.softmax({ x: other.f32(x), out, rows, columns });
      return other.readF32(out);
    });
    for (const more of others) expect(more).toEqual(one);
  });
});
