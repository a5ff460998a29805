/** Selection along rows against plain code. */
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builds, type KernelDevice, noise, onThreads, openDevice } from './kernel-device.ts';

describe.each(builds)('selection along rows, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

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
        accumulate: false,
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
      const shape = { rows: 1, columns: 4, k: 1 };
      const scatter = async () => {
        const out = other.empty(4);
        const indices = other.i32([index]);
        other.kernels.scatterAlongRows({ x: other.f32([1]), indices, out, fill: 0, accumulate: false, ...shape });
        return other.readF32(out);
      };
      await expect(scatter()).rejects.toThrow(`SCATTER_ALONG_ROWS met the index ${index}; there are 4 columns`);
      await other.close().catch(() => undefined);
    });
  });
});
