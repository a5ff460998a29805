/** Kernels over boxes of strided axes, binary functions and copies, against plain code. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BinaryOp } from '../src/devices/kernels.ts';
import { builds, type KernelDevice, noise, openDevice } from './kernel-device.ts';

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

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Offset of every element of a box, in row-major order. */
const offsetsOf = (shape: readonly number[], strides: readonly number[]): number[] =>
  shape.reduce<number[]>(
    (bases, size, axis) => bases.flatMap((base) => Array.from({ length: size }, (_, i) => base + i * strides[axis]!)),
    [0],
  );

/** Elements a buffer needs for these strides. */
const extent = (shape: readonly number[], strides: readonly number[]): number =>
  1 + shape.reduce((sum, size, axis) => sum + Math.max(0, size - 1) * strides[axis]!, 0);

/** Row-major strides of the axes in `order` (outermost first), 0 for the stretched ones. */
function stridesOf(shape: readonly number[], order: readonly number[], stretched: readonly boolean[]): number[] {
  const strides = shape.map(() => 0);
  let stride = 1;
  for (const axis of order.toReversed()) {
    if (stretched[axis]) continue;
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

const anyOrder = (rank: number): fc.Arbitrary<number[]> =>
  fc.shuffledSubarray([...Array(rank).keys()], { minLength: rank, maxLength: rank });
const anySizes = (rank: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max: 6 }), { minLength: rank, maxLength: rank });
const anyFlags = (rank: number): fc.Arbitrary<boolean[]> =>
  fc.array(fc.boolean(), { minLength: rank, maxLength: rank });

describe.each(builds)('kernels over boxes, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

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

  describe('stridedCopy', () => {
    const check = async (
      shape: readonly number[],
      xStrides: readonly number[],
      outStrides: readonly number[],
      xOffset = 0,
      outOffset = 0,
    ): Promise<void> => {
      const x = noise(xOffset + extent(shape, xStrides), 21);
      const before = noise(outOffset + extent(shape, outStrides) + 3, 22);
      const out = device.f32(before);
      device.kernels.stridedCopy({ x: device.f32(x), xOffset, xStrides, out, outOffset, outStrides, shape });
      const expected = before.slice();
      const xOffsets = offsetsOf(shape, xStrides);
      for (const [i, offset] of offsetsOf(shape, outStrides).entries()) {
        expected[outOffset + offset] = x[xOffset + xOffsets[i]!]!;
      }
      expect(await device.readF32(out)).toEqual(expected);
    };

    it('transposes matrices of any size', async () => {
      for (const [rows, columns] of [
        [1, 1],
        [3, 5],
        [4, 4],
        [64, 64],
        [65, 67],
        [130, 33],
        [1, 300],
        [200, 1],
        [0, 3],
      ] as const) {
        const matrix = rows * columns;
        await check([rows, columns], [1, rows], [columns, 1]);
        await check([rows, columns], [columns, 1], [1, rows]);
        await check([3, rows, 2, columns], [2 * matrix, 1, matrix, rows], [2 * matrix, 2 * columns, columns, 1]);
      }
    });

    it('copies slices into slices and stretches', async () => {
      await check([7, 5], [11, 1], [9, 1], 13, 4);
      await check([3, 9000], [9001, 1], [9000, 1], 1, 0);
      await check([6, 33], [1, 0], [33, 1], 2, 1);
      await check([6, 33], [0, 1], [33, 1]);
      await check([5, 40], [80, 2], [40, 1]);
      await check([5, 40], [40, 1], [120, 3]);
      await check([], [], [], 3, 2);
    });

    it('permutes and stretches any box of up to 6 axes', async () => {
      const boxes = fc.integer({ min: 1, max: 6 }).chain((rank) =>
        fc.record({
          shape: anySizes(rank),
          xOrder: anyOrder(rank),
          outOrder: anyOrder(rank),
          stretched: anyFlags(rank),
          offset: fc.nat(9),
        }),
      );
      await fc.assert(
        fc.asyncProperty(boxes, ({ shape, xOrder, outOrder, stretched, offset }) => {
          const outStrides = stridesOf(shape, outOrder, []);
          return check(shape, stridesOf(shape, xOrder, stretched), outStrides, offset, 2 * offset);
        }),
        { numRuns: 150 },
      );
    });

    it('moves bit patterns, so that integers pass too', async () => {
      const x = Int32Array.from([1, -1, 0x7fc00001, 0x7f800001, 5, 6]);
      const out = device.i32(new Int32Array(6));
      device.kernels.stridedCopy({
        ...{ x: device.i32(x), xOffset: 0, xStrides: [1, 2], out, outOffset: 0, outStrides: [3, 1], shape: [2, 3] },
      });
      expect(Array.from(await device.readI32(out))).toEqual([1, 0x7fc00001, 5, -1, 0x7f800001, 6]);
    });
  });
});
