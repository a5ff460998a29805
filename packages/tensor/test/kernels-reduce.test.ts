/** Reductions against plain float64 code. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReduceOp } from '../src/devices/kernels/reduce.ts';
import { builds, type KernelDevice, noise, onThreads, openDevice } from './kernel-device.ts';

const OPS: Record<ReduceOp, { start: number; step: (a: number, b: number) => number }> = {
  sum: { start: 0, step: (a, b) => a + b },
  max: { start: -Infinity, step: Math.max },
  min: { start: Infinity, step: Math.min },
};

function reference(op: ReduceOp, x: Float32Array, outer: number, length: number, inner: number): number[] {
  const { start, step } = OPS[op];
  return Array.from({ length: outer * inner }, (_, i) => {
    const first = Math.floor(i / inner) * length * inner + (i % inner);
    let value = start;
    for (let j = 0; j < length; j++) value = step(value, x[first + j * inner]!);
    return value;
  });
}

const SHAPES = [
  [1, 1, 1],
  [1, 0, 1],
  [3, 0, 5],
  [0, 4, 3],
  [2, 3, 0],
  [5, 7, 1],
  [1000, 3, 1],
  [37, 65, 1],
  [2, 1023, 1],
  [3, 4097, 1],
  [1, 65_537, 1],
  [2, 200_003, 1],
  [4, 1, 9],
  [3, 5, 2],
  [2, 255, 7],
  [2, 256, 16],
  [3, 257, 19],
  [1, 70_001, 3],
  [1, 511, 301],
  [7, 33, 128],
  [300, 2, 4],
] as const;

describe.each(builds)('reductions, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

  async function reduce(
    op: ReduceOp,
    x: Float32Array,
    outer: number,
    length: number,
    inner: number,
  ): Promise<Float32Array> {
    const out = device.empty(outer * inner);
    device.kernels.reduce({ op, x: device.f32(x), out, outer, length, inner });
    return device.readF32(out);
  }

  describe.each(['sum', 'max', 'min'] as const)('reduce %s', (op) => {
    it.each(SHAPES)('[%i, %i, %i] agrees with float64', async (outer, length, inner) => {
      const x = noise(outer * length * inner, 31).map((value) => value + 0.5);
      const actual = await reduce(op, x, outer, length, inner);
      const expected = reference(op, x, outer, length, inner);
      if (op !== 'sum') {
        expect(actual).toEqual(Float32Array.from(expected));
        return;
      }
      expect(actual.length).toBe(expected.length);
      const errors = expected.map((value, i) => Math.abs(actual[i]! - value) / (1 + Math.abs(value)));
      expect(Math.max(0, ...errors)).toBeLessThanOrEqual(1e-6);
    });

    it.each([
      [1, 9, 1],
      [1, 100_000, 1],
      [1, 9, 5],
      [1, 600, 17],
    ])('[%i, %i, %i] passes NaN and infinity on, wherever they stand', async (outer, length, inner) => {
      for (const special of [Number.NaN, Infinity, -Infinity]) {
        for (const place of [0, Math.floor(length / 2), length - 1]) {
          const x = noise(outer * length * inner, 5);
          x[place * inner + inner - 1] = special;
          const actual = await reduce(op, x, outer, length, inner);
          const expected = reference(op, x, outer, length, inner);
          expect(actual[inner - 1]).toBe(op === 'sum' ? special : Math.fround(expected[inner - 1]!));
        }
      }
    });
  });

  describe('sum', () => {
    it.each([
      [1, 4_000_000, 1],
      [1, 1_000_000, 4],
    ])('[%i, %i, %i] of one sign keeps six digits and more', async (outer, length, inner) => {
      const x = noise(outer * length * inner, 3).map((value) => 0.1 + 1e-3 * value);
      const actual = await reduce('sum', x, outer, length, inner);
      for (const [i, value] of reference('sum', x, outer, length, inner).entries()) {
        expect(Math.abs(actual[i]! / value - 1)).toBeLessThanOrEqual(3e-7);
      }
    });
  });

  describe('sumOfSquares', () => {
    it('runs over all buffers, empty ones included', async () => {
      for (const counts of [[], [0], [1], [5, 0, 3], [16_384, 16_385, 1, 50_000, 7], Array<number>(40).fill(11)]) {
        const xs = counts.map((count, i) => noise(count, i + 1));
        const out = device.empty(1);
        device.kernels.sumOfSquares({ xs: xs.map((x) => ({ x: device.f32(x), count: x.length })), out });
        const expected = xs.flatMap((x) => Array.from(x)).reduce((sum, value) => sum + value * value, 0);
        const [actual] = await device.readF32(out);
        expect(Math.abs(actual! - expected), counts.join(', ')).toBeLessThanOrEqual(3e-7 * expected);
      }
    });

    it('reads no more than count elements', async () => {
      const out = device.empty(1);
      device.kernels.sumOfSquares({ xs: [{ x: device.f32([3, 4, Number.NaN, Number.NaN]), count: 2 }], out });
      expect(await device.readF32(out)).toEqual(Float32Array.of(25));
    });
  });

  it('gives the same bits on any number of threads', async () => {
    const x = noise(300_007);
    const [one, ...others] = await onThreads(async (other) => {
      const { kernels } = other;
      const buffer = other.f32(x);
      const total = other.empty(1);
      kernels.reduce({ op: 'sum', x: buffer, out: total, outer: 1, length: x.length, inner: 1 });
      const columns = other.empty(7);
      kernels.reduce({ op: 'sum', x: buffer, out: columns, outer: 1, length: Math.floor(x.length / 7), inner: 7 });
      const squares = other.empty(1);
      kernels.sumOfSquares({
        xs: [
          { x: buffer, count: x.length },
          { x: columns, count: 7 },
        ],
        out: squares,
      });
      return [...(await other.readF32(total)), ...(await other.readF32(columns)), ...(await other.readF32(squares))];
    });
    for (const more of others) expect(more).toEqual(one);
  });
});
