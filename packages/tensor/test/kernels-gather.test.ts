/** Gathers of rows against plain code. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builds, excess, type KernelDevice, noise, noiseIntegers, openDevice } from './kernel-device.ts';

/** What f32 allows a sum of `terms` numbers below 1. */
const sumTolerance = (terms: number): number => 2e-7 * (1 + terms);

describe.each(builds)('gathers, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

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
});
