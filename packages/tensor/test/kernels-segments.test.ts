/** Sorting into segments, and their sums, against plain code. */
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builds, excess, type KernelDevice, noise, noiseIntegers, onThreads, openDevice } from './kernel-device.ts';

/** What f32 allows a sum of `terms` numbers below 1. */
const sumTolerance = (terms: number): number => 2e-7 * (1 + terms);

describe.each(builds)('segments, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

  describe('segments', () => {
    async function plan(on: KernelDevice, keys: ArrayLike<number>, segments: number) {
      const count = keys.length;
      const buffers = {
        keys: on.i32(keys),
        counts: on.empty(segments),
        offsets: on.empty(segments + 1),
        order: on.empty(count),
        inverse: on.empty(count),
      };
      on.kernels.segmentPlan({ ...buffers, count, segments });
      return {
        buffers,
        counts: await on.readI32(buffers.counts),
        offsets: await on.readI32(buffers.offsets),
        order: await on.readI32(buffers.order),
        inverse: await on.readI32(buffers.inverse),
      };
    }

    /** The plan by a stable sort. */
    function expectedPlan(keys: ArrayLike<number>, segments: number) {
      const counts = new Int32Array(segments);
      for (const key of Array.from(keys)) counts[key]!++;
      const offsets = new Int32Array(segments + 1);
      for (let s = 0; s < segments; s++) offsets[s + 1] = offsets[s]! + counts[s]!;
      const order = Int32Array.from({ length: keys.length }, (_, i) => i).toSorted(
        (a, b) => keys[a]! - keys[b]! || a - b,
      );
      const inverse = new Int32Array(keys.length);
      order.forEach((i, place) => {
        inverse[i] = place;
      });
      return { counts, offsets, order, inverse };
    }

    test.each([
      [0, 0],
      [0, 5],
      [1, 1],
      [7, 3],
      [1000, 1],
      [8192, 128],
      [8192, 151_936],
      [100_003, 517],
    ])('plan of %i keys in %i segments', async (count, segments) => {
      const keys = noiseIntegers(count, segments);
      const actual = await plan(device, keys, segments);
      const expected = expectedPlan(keys, segments);
      for (const name of ['counts', 'offsets', 'order', 'inverse'] as const)
        expect(excess(actual[name], expected[name], 0)).toBe(0);
    });

    test('plans of any keys', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat({ max: 12 }), { maxLength: 90 }), async (keys) => {
          expect(await plan(device, keys, 13)).toMatchObject(expectedPlan(keys, 13));
        }),
        { numRuns: 100 },
      );
    });

    test.each([-1, 4])('the key %i outside 4 segments stops the kernel', async (key) => {
      const other = await openDevice();
      await expect(plan(other, [0, 3, key, 1], 4)).rejects.toThrow(
        `SEGMENT_PLAN met the key ${key}; there are 4 segments`,
      );
      await other.close().catch(() => undefined);
    });

    async function sum(
      on: KernelDevice,
      keys: ArrayLike<number>,
      x: ArrayLike<number>,
      segments: number,
      columns: number,
      divisor: number,
    ) {
      const { order, offsets } = (await plan(on, keys, segments)).buffers;
      const out = on.empty(segments * columns);
      on.kernels.segmentSum({
        x: on.f32(x),
        height: x.length / columns,
        order,
        offsets,
        divisor,
        out,
        segments,
        columns,
      });
      return on.readF32(out);
    }

    test.each([
      [0, 3, 5, 1],
      [5, 2, 1, 1],
      [40, 7, 3, 4],
      [60, 9, 130, 2],
      [2000, 128, 129, 8],
      [999, 3, 260, 3],
      [50, 2500, 6, 1],
      [10, 4, 0, 1],
    ])('sums of %i keys in %i segments, %i columns, divisor %i', async (count, segments, columns, divisor) => {
      const rows = Math.ceil(count / divisor);
      const x = noise(rows * columns);
      const keys = noiseIntegers(count, segments).map((key, i) => (i % 3 === 0 ? 0 : key));
      const expected = new Float64Array(segments * columns);
      keys.forEach((key, i) => {
        for (let c = 0; c < columns; c++) expected[key * columns + c]! += x[Math.floor(i / divisor) * columns + c]!;
      });
      expect(
        excess(await sum(device, keys, x, segments, columns, divisor), expected, sumTolerance(count)),
      ).toBeLessThanOrEqual(1);
    });

    test('the same bits on any number of threads, also for one long segment', async () => {
      const x = noise(3000 * 150);
      const keys = noiseIntegers(3000, 40).map((key) => (key < 30 ? 7 : key));
      const [first, ...others] = await onThreads((on) => sum(on, keys, x, 40, 150, 1), relaxedSimd);
      for (const other of others) expect(other).toEqual(first);
    });
  });
});
