/** Norms against plain float64 code; backwards against difference quotients of that code. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builds, type KernelDevice, noise, onThreads, openDevice } from './kernel-device.ts';
import { expectClose, pullBack, rowsOf, SHAPES, someColumns, total } from './support/rows.ts';

describe.each(builds)('norms, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

  describe('rmsNorm', () => {
    const epsilon = 1e-5;
    const normal = (x: readonly number[]): number[] => {
      const inverse = 1 / Math.sqrt(total(x.map((v) => v * v)) / x.length + epsilon);
      return x.map((v) => v * inverse);
    };

    const run = async (
      x: Float32Array,
      weight: Float32Array,
      gradient: Float32Array,
      rows: number,
      columns: number,
    ) => {
      const [xs, weights, inverseRms] = [device.f32(x), device.f32(weight), device.empty(rows)];
      const [out, gradX, gradWeight] = [device.empty(x.length), device.empty(x.length), device.empty(columns)];
      device.kernels.rmsNorm({ x: xs, weight: weights, out, inverseRms, rows, columns, epsilon });
      device.kernels.rmsNormBackward({
        ...{ x: xs, weight: weights, inverseRms, gradient: device.f32(gradient), gradX, gradWeight, rows, columns },
      });
      return {
        out: await device.readF32(out),
        inverseRms: await device.readF32(inverseRms),
        gradX: await device.readF32(gradX),
        gradWeight: await device.readF32(gradWeight),
      };
    };

    it.each(SHAPES)('[%i, %i] forward and backward', async (rows, columns) => {
      const x = noise(rows * columns, 1).map((v) => 3 * v + 0.2);
      const weight = noise(columns, 2);
      const gradient = noise(rows * columns, 3);
      const actual = await run(x, weight, gradient, rows, columns);
      const [xRows, gradientRows] = [rowsOf(x, rows, columns), rowsOf(gradient, rows, columns)];
      const normals = xRows.map(normal);
      expectClose(
        actual.out,
        normals.flatMap((row) => row.map((v, i) => v * weight[i]!)),
        1e-6,
      );
      expectClose(
        actual.inverseRms,
        xRows.map((row) => 1 / Math.sqrt(total(row.map((v) => v * v)) / columns + epsilon)),
        1e-6,
      );
      const sums = Array.from(weight, (_, i) => total(normals.map((row, r) => row[i]! * gradientRows[r]![i]!)));
      expectClose(actual.gradWeight, sums, 2e-6);
      const only = someColumns(columns);
      for (const row of new Set(rows ? [0, rows >> 1, rows - 1] : [])) {
        const weighted = gradientRows[row]!.map((v, i) => v * weight[i]!);
        const expected = pullBack(normal, xRows[row]!, weighted, only);
        expectClose(
          only.map((i) => actual.gradX[row * columns + i]!),
          expected,
          1e-5,
        );
      }
    });

    it('of zeros is zero, of NaN NaN, each in its row alone', async () => {
      const x = Float32Array.of(0, 0, 0, 1, Number.NaN, 2, 3, 4, 5);
      const { out, gradX } = await run(x, Float32Array.of(1, 1, 1), new Float32Array(9).fill(1), 3, 3);
      expectClose(out.slice(0, 3), [0, 0, 0], 0);
      expect(out.slice(3, 6)).toEqual(new Float32Array(3).fill(Number.NaN));
      expect(gradX.slice(3, 6)).toEqual(new Float32Array(3).fill(Number.NaN));
      expect(out.slice(6).every(Number.isFinite) && gradX.slice(6).every(Number.isFinite)).toBe(true);
    });
  });

  describe('layerNorm', () => {
    const epsilon = 1e-5;
    const moments = (x: readonly number[]): { mean: number; inverse: number } => {
      const mean = total([...x]) / x.length;
      return { mean, inverse: 1 / Math.sqrt(total(x.map((v) => (v - mean) ** 2)) / x.length + epsilon) };
    };
    const normal = (x: readonly number[]): number[] => {
      const { mean, inverse } = moments(x);
      return x.map((v) => (v - mean) * inverse);
    };

    it.each(SHAPES)('[%i, %i] forward and backward', async (rows, columns) => {
      const x = noise(rows * columns, 1).map((v) => 3 * v + 5);
      const [weight, bias, gradient] = [noise(columns, 2), noise(columns, 4), noise(rows * columns, 3)];
      const [xs, weights, mean, inverseStd] = [
        device.f32(x),
        device.f32(weight),
        device.empty(rows),
        device.empty(rows),
      ];
      const [out, gradX] = [device.empty(x.length), device.empty(x.length)];
      const [gradWeight, gradBias] = [device.empty(columns), device.empty(columns)];
      device.kernels.layerNorm({
        ...{ x: xs, weight: weights, bias: device.f32(bias), out, mean, inverseStd, rows, columns, epsilon },
      });
      device.kernels.layerNormBackward({
        ...{ x: xs, weight: weights, mean, inverseStd, gradient: device.f32(gradient) },
        ...{ gradX, gradWeight, gradBias, rows, columns },
      });
      const [xRows, gradientRows] = [rowsOf(x, rows, columns), rowsOf(gradient, rows, columns)];
      const normals = xRows.map(normal);
      expectClose(
        await device.readF32(out),
        normals.flatMap((row) => row.map((v, i) => v * weight[i]! + bias[i]!)),
        2e-6,
      );
      expectClose(
        await device.readF32(mean),
        xRows.map((row) => moments(row).mean),
        1e-6,
      );
      // One column has no variance: the inverse is as large as 1 / sqrt(epsilon).
      expectClose(
        await device.readF32(inverseStd),
        xRows.map((row) => moments(row).inverse),
        2e-6,
      );
      const sums = Array.from(weight, (_, i) => total(normals.map((row, r) => row[i]! * gradientRows[r]![i]!)));
      expectClose(await device.readF32(gradWeight), sums, 3e-6);
      const biasSums = Array.from(weight, (_, i) => total(gradientRows.map((row) => row[i]!)));
      expectClose(await device.readF32(gradBias), biasSums, 2e-6);
      const only = someColumns(columns);
      const actual = await device.readF32(gradX);
      for (const row of new Set(rows ? [0, rows >> 1, rows - 1] : [])) {
        const weighted = gradientRows[row]!.map((v, i) => v * weight[i]!);
        const expected = pullBack(normal, xRows[row]!, weighted, only);
        expectClose(
          only.map((i) => actual[row * columns + i]!),
          expected,
          1e-5,
        );
      }
    });

    it('keeps the variance exact for rows far from zero', async () => {
      const x = Float32Array.from({ length: 64 }, (_, i) => 10_000 + (i % 4));
      const [out, mean, inverseStd] = [device.empty(64), device.empty(1), device.empty(1)];
      const [weight, bias] = [device.f32(new Float32Array(64).fill(1)), device.f32(new Float32Array(64))];
      const shape = { rows: 1, columns: 64, epsilon: 0 };
      device.kernels.layerNorm({ x: device.f32(x), weight, bias, out, mean, inverseStd, ...shape });
      expectClose(await device.readF32(inverseStd), [1 / Math.sqrt(1.25)], 1e-6);
    });
  });

  it('give the same bits on any number of threads', async () => {
    const [rows, columns] = [701, 67];
    const x = noise(rows * columns);
    const [one, ...others] = await onThreads(async (other) => {
      const [xs, weight, inverseRms] = [other.f32(x), other.f32(noise(columns, 2)), other.empty(rows)];
      const [out, gradX, gradWeight] = [other.empty(x.length), other.empty(x.length), other.empty(columns)];
      const shape = { rows, columns };
      other.kernels.rmsNorm({ x: xs, weight, out, inverseRms, ...shape, epsilon: 1e-6 });
      other.kernels.rmsNormBackward({ x: xs, weight, inverseRms, gradient: out, gradX, gradWeight, ...shape });
      return [...(await other.readF32(gradWeight)), ...(await other.readF32(gradX))];
    });
    for (const more of others) expect(more).toEqual(one);
  });
});
