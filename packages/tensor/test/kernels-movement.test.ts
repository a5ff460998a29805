/** Strided copies against plain code. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builds, type KernelDevice, noise, openDevice } from './kernel-device.ts';
import { anyFlags, anyOrder, anySizes, extent, offsetsOf, stridesOf } from './support/boxes.ts';

describe.each(builds)('kernels that move data, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

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
