/**
 * Elementwise kernels against float64 code: those over flat buffers with errors in units in the last place, over the
 * whole range of numbers; those of two arguments over boxes of any strides.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BinaryOp, DERIVATIVE_FROM, type UnaryOp } from '../src/devices/kernels/elementwise.ts';
import { builds, type KernelDevice, noise, openDevice } from './kernel-device.ts';
import { anyFlags, anyOrder, anySizes, extent, offsetsOf, sizeOf, stridesOf } from './support/boxes.ts';

const COUNTS = [0, 1, 3, 4, 7, 64, 1000, 8192, 8193, 20011];

/** Spacing of f32 numbers at `value`. */
function ulp(value: number): number {
  const magnitude = Math.abs(value);
  return magnitude < 2 ** -126 ? 2 ** -149 : 2 ** (Math.floor(Math.log2(magnitude)) - 23);
}

/** The largest error of `actual` in units in the last place; infinities and NaNs must match. */
function worstUlps(actual: Float32Array, expected: readonly number[]): number {
  let worst = 0;
  for (const [i, value] of expected.entries()) {
    const rounded = Math.fround(value);
    if (Object.is(rounded, actual[i]) || rounded === actual[i]) continue;
    if (!Number.isFinite(rounded) || !Number.isFinite(actual[i]!)) return Infinity;
    worst = Math.max(worst, Math.abs(actual[i]! - value) / ulp(value));
  }
  return worst;
}

const sigmoid = (x: number): number => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));

const UNARY: Record<UnaryOp, { value: (x: number) => number; derivative: (x: number) => number; ulps: number }> = {
  negate: { value: (x) => -x, derivative: () => -1, ulps: 0 },
  abs: { value: Math.abs, derivative: Math.sign, ulps: 0 },
  sign: { value: Math.sign, derivative: (x) => (Number.isNaN(x) ? x : 0), ulps: 0 },
  reciprocal: { value: (x) => 1 / x, derivative: (x) => -1 / x ** 2, ulps: 0.51 },
  square: { value: (x) => x * x, derivative: (x) => 2 * x, ulps: 0.51 },
  sqrt: { value: Math.sqrt, derivative: (x) => 0.5 / Math.sqrt(x), ulps: 0.51 },
  rsqrt: { value: (x) => 1 / Math.sqrt(x), derivative: (x) => -0.5 / Math.sqrt(x) ** 3, ulps: 1.5 },
  exp: { value: Math.exp, derivative: Math.exp, ulps: 1.6 },
  log: { value: Math.log, derivative: (x) => 1 / x, ulps: 1.01 },
  sigmoid: { value: sigmoid, derivative: (x) => sigmoid(x) * sigmoid(-x), ulps: 3 },
  silu: { value: (x) => x * sigmoid(x), derivative: (x) => sigmoid(x) * (1 + x * sigmoid(-x)), ulps: 3.5 },
  relu: {
    value: (x) => (Number.isNaN(x) ? x : Math.max(x, 0)),
    derivative: (x) => (Number.isNaN(x) ? x : Number(x > 0)),
    ulps: 0,
  },
  tanh: { value: Math.tanh, derivative: (x) => 1 / Math.cosh(x) ** 2, ulps: 2.5 },
  softplus: { value: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), derivative: sigmoid, ulps: 2 },
};
const UNARY_OPS = Object.keys(UNARY) as UnaryOp[];

/** Numbers of every size and sign, dense around zero, for functions on the whole line. */
function sweep(positive: boolean): Float32Array {
  const values: number[] = [];
  for (let i = 0; i < 40_000; i++) {
    const x = 2 ** (-30 + (i / 40_000) * 38);
    values.push(x, positive ? 1 / x : -x);
  }
  for (let x = -20; x < 20; x += 1e-3) values.push(positive ? x + 20.0005 : x);
  return Float32Array.from(values);
}

const BINARY: Record<BinaryOp, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
  greater: (a, b) => Number(a > b),
  equal: (a, b) => Number(a === b),
};
const BINARY_OPS = Object.keys(BINARY) as BinaryOp[];

describe.each(builds)('elementwise kernels, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

  describe('unary', () => {
    const run = async (op: UnaryOp, x: ArrayLike<number>): Promise<Float32Array> => {
      const out = device.empty(x.length);
      device.kernels.unary({ op, x: device.f32(x), out, count: x.length });
      return device.readF32(out);
    };

    it.each(UNARY_OPS)('%s stays within its bound over a dense sweep', async (op) => {
      const x = sweep(op === 'log' || op === 'sqrt' || op === 'rsqrt');
      // The exponential gives 0 below this.
      const inRange = x.filter((value) => value > -86.9);
      const { value, ulps } = UNARY[op];
      expect(worstUlps(await run(op, inRange), Array.from(inRange, value))).toBeLessThanOrEqual(ulps);
    });

    it.each(UNARY_OPS)('%s of any length', async (op) => {
      for (const count of COUNTS) {
        const x = noise(count, count).map((value) => Math.abs(value) + 0.1);
        const actual = await run(op, x);
        expect(worstUlps(actual, Array.from(x, UNARY[op].value)), `${count} elements`).toBeLessThanOrEqual(4);
      }
    });

    it.each(UNARY_OPS)('%s of special values is what IEEE says', async (op) => {
      const x = [Number.NaN, Infinity, -Infinity, 0, -0];
      const expected = x.map(UNARY[op].value);
      // As defined, x times a sigmoid of exactly 0.
      if (op === 'silu') expected[2] = Number.NaN;
      const actual = await run(op, x);
      for (const [i, value] of expected.entries())
        expect(actual[i]! + 0, `${op}(${x[i]})`).toBe(Math.fround(value) + 0);
    });

    it('exp is exact to the ends of its range, then infinity or 0', async () => {
      const x: number[] = [];
      for (let v = -86.9; v < -80; v += 1 / 512) x.push(Math.fround(v));
      for (let v = 85; v < 92; v += 1 / 512) x.push(Math.fround(v));
      expect(worstUlps(await run('exp', x), x.map(Math.exp))).toBeLessThanOrEqual(1.6);
      expect(await run('exp', [0, -0])).toEqual(Float32Array.of(1, 1));
      expect(await run('exp', [88.73, 100, 1e30])).toEqual(new Float32Array(3).fill(Infinity));
      expect(await run('exp', [-87.4, -88, -100, -1e30])).toEqual(new Float32Array(4));
    });

    it('log is as exact for denormals and around 1', async () => {
      const denormals = Array.from({ length: 2000 }, (_, i) => (i + 1) ** 2 * 2 ** -149);
      expect(worstUlps(await run('log', denormals), denormals.map(Math.log))).toBeLessThanOrEqual(1.01);
      const nearOne = Array.from({ length: 2000 }, (_, i) => Math.fround(1 + (i - 1000) * 2 ** -23));
      expect(worstUlps(await run('log', nearOne), nearOne.map(Math.log))).toBeLessThanOrEqual(1.01);
      expect(await run('log', [-1, -1e-42])).toEqual(Float32Array.of(Number.NaN, Number.NaN));
    });

    it('runs in place', async () => {
      const x = noise(9001);
      const buffer = device.f32(x);
      device.kernels.unary({ op: 'square', x: buffer, out: buffer, count: 9001 });
      expect(await device.readF32(buffer)).toEqual(x.map((value) => value * value));
    });

    it.each(UNARY_OPS)('backward of %s is the gradient times the derivative', async (op) => {
      const { value, derivative } = UNARY[op];
      const positive = op === 'log' || op === 'sqrt' || op === 'rsqrt';
      for (const count of COUNTS) {
        const x = noise(count, 5).map((v) => (positive ? Math.abs(v) + 0.01 : 4 * v));
        const y = x.map(value);
        const gradient = noise(count, 6);
        const out = device.empty(count);
        device.kernels.unaryBackward({
          ...{ op, input: device.f32(DERIVATIVE_FROM[op] === 'x' ? x : y), gradient: device.f32(gradient), out, count },
        });
        let worst = 0;
        for (const [i, got] of (await device.readF32(out)).entries()) {
          const expected = gradient[i]! * derivative(x[i]!);
          const scale = Math.abs(gradient[i]!) * Math.max(1, Math.abs(derivative(x[i]!)));
          worst = Math.max(worst, Math.abs(got - expected) / scale);
        }
        expect(worst, `${count} elements`).toBeLessThanOrEqual(1e-6);
      }
    });

    it.each(['abs', 'sign', 'relu'] as const)('backward of %s passes NaN on and is 0 at 0', async (op) => {
      const input = device.f32([Number.NaN, 0, 1, -1]);
      const out = device.empty(4);
      device.kernels.unaryBackward({ op, input, gradient: device.f32([1, 1, Number.NaN, 3]), out, count: 4 });
      const [ofNaN, ofZero, ofGradient, ofNegative] = await device.readF32(out);
      expect(ofNaN).toBeNaN();
      expect(ofZero! + 0).toBe(0);
      expect(ofGradient).toBeNaN();
      expect(ofNegative! + 0).toBe(op === 'abs' ? -3 : 0);
    });
  });

  describe('flat kernels', () => {
    it.each(COUNTS)('fill and affine of %i elements leave the rest alone', async (count) => {
      const x = noise(count, 3);
      const before = noise(count + 5, 4);
      const check = async (
        kernel: (out: ReturnType<KernelDevice['f32']>) => void,
        expected: (v: number, i: number) => number,
      ): Promise<void> => {
        const out = device.f32(before);
        kernel(out);
        const actual = await device.readF32(out);
        expect(actual.slice(count)).toEqual(before.slice(count));
        const errors = before.slice(0, count).map((v, i) => Math.abs(actual[i]! - expected(v, i)));
        expect(Math.max(0, ...errors)).toBeLessThanOrEqual(3e-7);
      };
      await check(
        (out) => device.kernels.fill({ out, value: 2.5, count, integer: false }),
        () => 2.5,
      );
      await check(
        (out) => device.kernels.affine({ x: device.f32(x), out, scale: -3, shift: 0.5, count }),
        (_, i) => -3 * x[i]! + 0.5,
      );
      await check(
        (out) => device.kernels.affine({ x: out, out, scale: 2, shift: 1, count }),
        (value) => 2 * value + 1,
      );
    });

    it('fills integers', async () => {
      const out = device.i32(new Int32Array(10));
      device.kernels.fill({ out, value: -7, count: 9, integer: true });
      expect(Array.from(await device.readI32(out))).toEqual([...Array<number>(9).fill(-7), 0]);
    });

    it.each(COUNTS)('casts %i elements both ways', async (count) => {
      const x = noise(count, 8).map((value) => value * 1e4);
      const integers = device.i32(new Int32Array(count));
      device.kernels.cast({ x: device.f32(x), out: integers, count, to: 'i32' });
      expect(await device.readI32(integers)).toEqual(Int32Array.from(x, Math.trunc));
      const back = device.empty(count);
      device.kernels.cast({ x: integers, out: back, count, to: 'f32' });
      expect(await device.readF32(back)).toEqual(Float32Array.from(x, (value) => Math.trunc(value) + 0));
    });
  });

  describe('binary', () => {
    const check = async (
      op: BinaryOp,
      shape: readonly number[],
      aStrides: readonly number[],
      bStrides: readonly number[],
    ): Promise<void> => {
      const a = noise(extent(shape, aStrides), 11).map((v) => Math.round(v * 8) / 4);
      const b = noise(extent(shape, bStrides), 12).map((v) => Math.round(v * 8) / 4);
      const out = device.empty(sizeOf(shape));
      device.kernels.binary({ op, a: device.f32(a), b: device.f32(b), out, shape, aStrides, bStrides });
      const bOffsets = offsetsOf(shape, bStrides);
      const expected = Float32Array.from(offsetsOf(shape, aStrides), (offset, i) =>
        BINARY[op](a[offset]!, b[bOffsets[i]!]!),
      );
      // Adding 0 makes -0 and 0 one.
      expect((await device.readF32(out)).map((v) => v + 0)).toEqual(expected.map((v) => v + 0));
    };

    it.each(BINARY_OPS)('%s of same shapes, scalars, rows and columns', async (op) => {
      for (const count of [0, 1, 3, 4, 7, 8193]) {
        await check(op, [count], [1], [1]);
        await check(op, [count], [1], [0]);
        await check(op, [count], [0], [1]);
      }
      for (const [rows, columns] of [
        [1, 1],
        [5, 3],
        [17, 32],
        [3, 9001],
        [1171, 7],
        [0, 4],
        [4, 0],
      ] as const) {
        await check(op, [rows, columns], [columns, 1], [0, 1]);
        await check(op, [rows, columns], [0, 1], [columns, 1]);
        await check(op, [rows, columns], [columns, 1], [1, 0]);
        await check(op, [rows, columns], [1, 0], [columns, 1]);
        await check(op, [rows, columns], [1, rows], [columns, 1]);
        await check(op, [rows, columns], [0, 0], [0, 0]);
      }
      await check(op, [], [], []);
    });

    it.each(BINARY_OPS)('%s of special values is what IEEE says', async (op) => {
      const values = [Number.NaN, Infinity, -Infinity, 0, -0, 1, -2, 1e-42, 3e38];
      const a = Float32Array.from(values.flatMap((first) => values.map(() => first)));
      const b = Float32Array.from(values.flatMap(() => values));
      const out = device.empty(a.length);
      device.kernels.binary({
        ...{ op, a: device.f32(a), b: device.f32(b), out, shape: [a.length], aStrides: [1], bStrides: [1] },
      });
      expect(await device.readF32(out)).toEqual(a.map((value, i) => BINARY[op](value, b[i]!)));
    });

    it('broadcasts any box of up to 6 axes in any order of strides', async () => {
      const boxes = fc.integer({ min: 1, max: 6 }).chain((rank) =>
        fc.record({
          op: fc.constantFrom(...BINARY_OPS),
          shape: anySizes(rank),
          aOrder: anyOrder(rank),
          bOrder: anyOrder(rank),
          aStretched: anyFlags(rank),
          bStretched: anyFlags(rank),
        }),
      );
      await fc.assert(
        fc.asyncProperty(boxes, ({ op, shape, aOrder, bOrder, aStretched, bStretched }) =>
          check(op, shape, stridesOf(shape, aOrder, aStretched), stridesOf(shape, bOrder, bStretched)),
        ),
        { numRuns: 150 },
      );
    });
  });
});
