/** Layer kernels against plain float64 code; backwards against difference quotients of that code. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builds, type KernelDevice, noise, onThreads, openDevice } from './kernel-device.ts';

const SHAPES = [
  [0, 4],
  [1, 1],
  [3, 2],
  [5, 3],
  [7, 8],
  [33, 37],
  [70, 128],
  [3, 4099],
  [1200, 31],
] as const;

/**
 * Every element within `tolerance`, relative to the largest expected magnitude (at least 1); NaN and infinity match.
 */
function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  const scale = Array.from(expected).reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 1);
  for (const [i, value] of Array.from(expected).entries()) {
    if (!Number.isFinite(value)) expect(actual[i], `element ${i}`).toBe(value);
    else if (!(Math.abs(actual[i]! - value) <= tolerance * scale)) expect(actual[i], `element ${i}`).toBe(value);
  }
}

const rowsOf = (x: ArrayLike<number>, rows: number, columns: number): number[][] =>
  Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, i) => x[row * columns + i]!));
const total = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

type Rows = (x: readonly number[]) => number[];

/** `d(gradient . f(x)) / dx` of one row by central differences in float64. */
function pullBack(f: Rows, x: readonly number[], gradient: readonly number[], only: readonly number[]): number[] {
  return only.map((i) => {
    const step = 1e-5 * Math.max(1, Math.abs(x[i]!));
    const at = (delta: number): number => total(f(x.with(i, x[i]! + delta)).map((value, j) => value * gradient[j]!));
    return (at(step) - at(-step)) / (2 * step);
  });
}

/** Some columns of a row, the first and last included: difference quotients of all would take long. */
const someColumns = (columns: number): number[] =>
  columns < 12 ? [...Array(columns).keys()] : [0, 1, 3, columns >> 1, columns - 2, columns - 1];

const largestOf = (x: readonly number[]): number => x.reduce((most, v) => Math.max(most, v), -Infinity);
const softmax: Rows = (x) => {
  const largest = largestOf(x);
  const powers = x.map((v) => Math.exp(v - largest));
  const sum = total(powers);
  return powers.map((v) => v / sum);
};
const logSumExp = (x: readonly number[]): number => {
  const largest = largestOf(x);
  return Number.isFinite(largest) ? largest + Math.log(total(x.map((v) => Math.exp(v - largest)))) : largest;
};

describe.each(builds)('layer kernels, %s', (_, relaxedSimd) => {
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

  describe('swiGlu', () => {
    it.each(SHAPES)('[%i, %i] forward and backward', async (rows, width) => {
      const x = noise(2 * rows * width, 1).map((v) => 6 * v);
      const gradient = noise(rows * width, 2);
      const [xs, out, gradX] = [device.f32(x), device.empty(rows * width), device.empty(x.length)];
      device.kernels.swiGlu({ x: xs, out, rows, width });
      device.kernels.swiGluBackward({ x: xs, gradient: device.f32(gradient), gradX, rows, width });
      const expected: number[] = [];
      const expectedGradient: number[] = [];
      for (const [r, row] of rowsOf(x, rows, 2 * width).entries()) {
        const [gate, up] = [row.slice(0, width), row.slice(width)];
        const g = gradient.subarray(r * width, (r + 1) * width);
        expected.push(...gate.map((v, i) => v * sigmoid(v) * up[i]!));
        const slope = (v: number): number => ((v + 1e-5) * sigmoid(v + 1e-5) - (v - 1e-5) * sigmoid(v - 1e-5)) / 2e-5;
        expectedGradient.push(...gate.map((v, i) => g[i]! * up[i]! * slope(v)));
        expectedGradient.push(...gate.map((v, i) => g[i]! * v * sigmoid(v)));
      }
      expectClose(await device.readF32(out), expected, 5e-7);
      expectClose(await device.readF32(gradX), expectedGradient, 5e-7);
    });

    it('of large gates is the plain product or 0', async () => {
      const out = device.empty(3);
      device.kernels.swiGlu({ x: device.f32([1e4, -1e4, 100, 2, 2, -3]), out, rows: 1, width: 3 });
      expect(Array.from(await device.readF32(out), (v) => v + 0)).toEqual([2e4, 0, -300]);
    });
  });

  describe('rope', () => {
    const CASES = [
      { batch: 1, sequence: 1, heads: 1, headDim: 2, offset: 0 },
      { batch: 2, sequence: 5, heads: 3, headDim: 6, offset: 0 },
      { batch: 2, sequence: 7, heads: 1, headDim: 8, offset: 3 },
      { batch: 1, sequence: 40, heads: 4, headDim: 64, offset: 9 },
      { batch: 3, sequence: 3, heads: 2, headDim: 34, offset: 1 },
      { batch: 2, sequence: 0, heads: 2, headDim: 8, offset: 1 },
    ];
    describe.each([false, true])('interleaved %s', (interleaved) => {
      it.each(CASES)('batch $batch, $sequence x $heads x $headDim from $offset', async (shape) => {
        const { batch, sequence, heads, headDim, offset } = shape;
        const half = headDim / 2;
        const angle = (position: number, i: number): number => position * 10_000 ** (-i / half);
        const table = (f: (x: number) => number): Float32Array =>
          Float32Array.from({ length: (offset + sequence) * half }, (_, i) => f(angle(Math.floor(i / half), i % half)));
        const x = noise(batch * sequence * heads * headDim, 1);
        const shared = {
          ...{ cos: device.f32(table(Math.cos)), sin: device.f32(table(Math.sin)) },
          ...{ batch, sequence, heads, headDim, offset, interleaved },
        };
        const [out, back] = [device.empty(x.length), device.empty(x.length)];
        device.kernels.rope({ x: device.f32(x), out, ...shared, inverse: false });
        device.kernels.rope({ x: out, out: back, ...shared, inverse: true });
        const expected = rowsOf(x, batch * sequence * heads, headDim).flatMap((row, r) => {
          const position = offset + (Math.floor(r / heads) % sequence);
          const rotated = Array<number>(headDim);
          for (let i = 0; i < half; i++) {
            const [a, b] = interleaved ? [row[2 * i]!, row[2 * i + 1]!] : [row[i]!, row[i + half]!];
            const [c, s] = [Math.cos(angle(position, i)), Math.sin(angle(position, i))];
            rotated[i] = a * c - b * s;
            rotated[i + half] = b * c + a * s;
          }
          return rotated;
        });
        expectClose(await device.readF32(out), expected, 3e-7);
        // The inverse of a rotation is its transpose.
        expectClose(await device.readF32(back), x, 5e-7);
      });
    });
  });

  it('gives the same bits on any number of threads', async () => {
    const [rows, columns] = [701, 67];
    const x = noise(rows * columns);
    const [one, ...others] = await onThreads(async (other) => {
      const { kernels } = other;
      const [xs, weight, inverseRms] = [other.f32(x), other.f32(noise(columns, 2)), other.empty(rows)];
      const [out, gradX, gradWeight, probabilities] = [
        other.empty(x.length),
        other.empty(x.length),
        other.empty(columns),
        other.empty(x.length),
      ];
      kernels.rmsNorm({ x: xs, weight, out, inverseRms, rows, columns, epsilon: 1e-6 });
      kernels.rmsNormBackward({ x: xs, weight, inverseRms, gradient: out, gradX, gradWeight, rows, columns });
      kernels.softmax({ x: gradX, out: probabilities, rows, columns });
      return [...(await other.readF32(gradWeight)), ...(await other.readF32(probabilities))];
    });
    for (const more of others) expect(more).toEqual(one);
  });
});
