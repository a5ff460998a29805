import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builds, excess, type KernelDevice, noise, noiseIntegers, onThreads, openDevice } from './kernel-device.ts';

describe.each(builds)('%s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

  /** What f32 allows a sum of `terms` numbers below 1. */
  const sumTolerance = (terms: number): number => 2e-7 * (1 + terms);

  describe('topK', () => {
    async function topK(on: KernelDevice, x: ArrayLike<number>, rows: number, k: number) {
      const columns = rows === 0 ? 5 : x.length / rows;
      const values = on.empty(rows * k);
      const indices = on.empty(rows * k);
      on.kernels.topK({ x: on.f32(x), values, indices, rows, columns, k });
      return { values: await on.readF32(values), indices: await on.readI32(indices) };
    }

    /** A stable sort, descending, NaN first. */
    function reference(x: ArrayLike<number>, rows: number, k: number): { values: Float32Array; indices: Int32Array } {
      const columns = rows === 0 ? 0 : x.length / rows;
      const indices: number[] = [];
      const values: number[] = [];
      for (let row = 0; row < rows; row++) {
        const at = (column: number): number => x[row * columns + column]!;
        const order = Array.from({ length: columns }, (_, column) => column).toSorted((a, b) => {
          if (Number.isNaN(at(a)) || Number.isNaN(at(b)))
            return Number(Number.isNaN(at(b))) - Number(Number.isNaN(at(a)));
          return at(a) === at(b) ? 0 : at(b) - at(a);
        });
        indices.push(...order.slice(0, k));
        values.push(...order.slice(0, k).map(at));
      }
      return { values: Float32Array.from(values), indices: Int32Array.from(indices) };
    }

    test.each([
      [0, 5, 2],
      [3, 1, 1],
      [5, 3, 3],
      [7, 4, 1],
      [4, 7, 7],
      [600, 32, 4],
      [257, 128, 8],
      [70, 127, 3],
      [65, 131, 64],
      [9, 512, 16],
      [3, 4096, 64],
      [2, 4095, 1],
    ])('%i rows of %i columns, k = %i', async (rows, columns, k) => {
      const x = noise(rows * columns, columns);
      expect(await topK(device, x, rows, k)).toEqual(reference(x, rows, k));
    });

    test.each(['ascending', 'descending', 'equal'])('%s rows', async (kind) => {
      const x = Float32Array.from({ length: 61 }, (_, i) => ({ ascending: i, descending: -i })[kind] ?? 0);
      for (const k of [1, 8, 61]) expect(await topK(device, x, 1, k)).toEqual(reference(x, 1, k));
    });

    test('ties, zeros of both signs, infinities, denormals and NaN', async () => {
      const special = [0, -0, 1, -1, 1e-44, -1e-44, 3.4e38, Infinity, -Infinity, Number.NaN, 1e-38, 5];
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 6 }),
          fc.integer({ min: 1, max: 90 }),
          fc.nat(),
          fc.infiniteStream(fc.constantFrom(...special)),
          async (rows, columns, pick, numbers) => {
            const x = Float32Array.from(numbers.take(rows * columns));
            const k = 1 + (pick % columns);
            expect(await topK(device, x, rows, k)).toEqual(reference(x, rows, k));
          },
        ),
        { numRuns: 300 },
      );
    });

    test('rows with NaN among rows without, many ties among few', async () => {
      const x = noise(7 * 300, 9);
      x[2 * 300 + 77] = Number.NaN;
      x[6 * 300 + 299] = Number.NaN;
      for (let i = 0; i < 300; i++) x[3 * 300 + i] = Math.sign(x[3 * 300 + i]!);
      for (const k of [1, 3, 8, 40]) expect(await topK(device, x, 7, k)).toEqual(reference(x, 7, k));
    });

    test('a NaN whose sign is set is as large as any', async () => {
      const x = new Float32Array(new Int32Array([0x7f800000, -1, 0x3f800000, 0x7fc00000]).buffer);
      expect(Array.from((await topK(device, x, 1, 4)).indices)).toEqual([1, 3, 0, 2]);
    });

    test('the same bits on any number of threads', async () => {
      const x = noise(1003 * 33);
      const [first, ...others] = await onThreads((on) => topK(on, x, 1003, 5), relaxedSimd);
      for (const other of others) expect(other).toEqual(first);
    });
  });

  describe('take and scatter along rows', () => {
    const shapes: [rows: number, columns: number, k: number][] = [
      [0, 3, 2],
      [1, 1, 1],
      [5, 7, 3],
      [33, 128, 8],
      [700, 31, 4],
      [3, 5, 0],
      [6, 2, 2],
    ];
    /** k distinct indices a row: a stride that shares no factor with the number of columns. */
    const distinct = (rows: number, columns: number, k: number): Int32Array =>
      Int32Array.from({ length: rows * k }, (_, i) => (Math.floor(i / k) * 3 + (i % k)) % columns);

    test.each(shapes)('%i rows of %i columns, k = %i', async (rows, columns, k) => {
      const x = noise(rows * columns);
      const indices = distinct(rows, columns, k);
      const taken = device.empty(rows * k);
      device.kernels.takeAlongRows({ x: device.f32(x), indices: device.i32(indices), out: taken, rows, columns, k });
      const expected = indices.map((index, i) => Math.floor(i / k) * columns + index);
      expect(await device.readF32(taken)).toEqual(Float32Array.from(expected, (at) => x[at]!));

      const scattered = device.empty(rows * columns);
      const values = noise(rows * k, 7);
      device.kernels.scatterAlongRows({
        x: device.f32(values),
        indices: device.i32(indices),
        out: scattered,
        fill: -2,
        rows,
        columns,
        k,
      });
      const whole = new Float32Array(rows * columns).fill(-2);
      expected.forEach((at, i) => {
        whole[at] = values[i]!;
      });
      expect(await device.readF32(scattered)).toEqual(whole);
    });

    test.each([-1, 4])('the index %i outside a row of 4 stops the kernel', async (index) => {
      const other = await openDevice();
      const scatter = async () => {
        const out = other.empty(4);
        const indices = other.i32([index]);
        other.kernels.scatterAlongRows({ x: other.f32([1]), indices, out, fill: 0, rows: 1, columns: 4, k: 1 });
        return other.readF32(out);
      };
      await expect(scatter()).rejects.toThrow(`SCATTER_ALONG_ROWS met the index ${index}; there are 4 columns`);
      await other.close().catch(() => undefined);
    });
  });

  describe('gathers', () => {
    const shapes: [rows: number, columns: number, k: number, height: number][] = [
      [0, 4, 2, 3],
      [1, 1, 1, 1],
      [5, 3, 2, 4],
      [9, 16, 1, 3],
      [70, 37, 4, 51],
      [300, 128, 8, 64],
      [3, 1027, 3, 7],
      [4, 20, 0, 2],
      [2, 0, 3, 2],
    ];

    test.each(shapes)(
      'gatherRows: %i rows of %i columns, divisor %i, table of %i',
      async (rows, columns, k, height) => {
        const divisor = Math.max(1, k);
        const table = noise(height * columns);
        const indices = noiseIntegers(rows, height * divisor);
        const weights = noise(height * divisor, 3);
        for (const weighted of [false, true]) {
          const out = device.empty(rows * columns);
          device.kernels.gatherRows({
            table: device.f32(table),
            height,
            indices: device.i32(indices),
            divisor,
            weights: weighted ? device.f32(weights) : null,
            out,
            rows,
            columns,
          });
          const expected = Array.from(indices, (index) => {
            const from = Math.floor(index / divisor) * columns;
            return Array.from(table.slice(from, from + columns), (x) =>
              weighted ? Math.fround(x * weights[index]!) : x,
            );
          });
          expect(await device.readF32(out)).toEqual(Float32Array.from(expected.flat()));
        }
      },
    );

    test.each(shapes)(
      'gatherSum and gatherDot: %i rows of %i columns, k = %i, x of %i rows',
      async (rows, columns, k, height) => {
        const x = noise(height * columns);
        const a = noise(rows * columns, 2);
        const weights = noise(rows * k, 3);
        const positions = noiseIntegers(rows * k, height, 4);
        for (const weighted of [false, true]) {
          const sums = device.empty(rows * columns);
          device.kernels.gatherSum({
            x: device.f32(x),
            height,
            positions: device.i32(positions),
            weights: weighted ? device.f32(weights) : null,
            out: sums,
            rows,
            k,
            columns,
          });
          const expected = Array.from({ length: rows * columns }, (_, i) => {
            const row = Math.floor(i / columns);
            let sum = 0;
            for (let j = row * k; j < (row + 1) * k; j++)
              sum += (weighted ? weights[j]! : 1) * x[positions[j]! * columns + (i % columns)]!;
            return sum;
          });
          expect(excess(await device.readF32(sums), expected, sumTolerance(k))).toBeLessThanOrEqual(1);
        }

        const dots = device.empty(rows * k);
        device.kernels.gatherDot({
          a: device.f32(a),
          x: device.f32(x),
          height,
          positions: device.i32(positions),
          out: dots,
          rows,
          k,
          columns,
        });
        const expected = Array.from(positions, (position, i) => {
          let dot = 0;
          for (let c = 0; c < columns; c++) dot += a[Math.floor(i / k) * columns + c]! * x[position * columns + c]!;
          return dot;
        });
        expect(excess(await device.readF32(dots), expected, sumTolerance(columns))).toBeLessThanOrEqual(1);
      },
    );
  });

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
