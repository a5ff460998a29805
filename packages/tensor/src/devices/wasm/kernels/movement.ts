/** Records strided copies: row by row, or as a blocked transposition where the innermost axes are swapped. */
import { sizeOf } from '../../../shape.ts';
import type { MovementKernels } from '../../kernels/movement.ts';
import type { Recorder } from '../recorder.ts';
import { boxOf, placesOf, tileBox } from './boxes.ts';

/** Side of the blocks in which matrices are transposed; the kernel counts on it. */
const TRANSPOSE_SIDE = 64;

export function movementKernels(recorder: Recorder): MovementKernels {
  return {
    stridedCopy({ x, xOffset, xStrides, out, outOffset, outStrides, shape }) {
      if (sizeOf(shape) === 0) return;
      const from = recorder.address(x) + 4 * xOffset;
      const to = recorder.address(out) + 4 * outOffset;
      // Any order of the axes copies the same; descending strides of `out` let the most axes merge.
      const order = shape.map((_, axis) => axis).sort((p, q) => outStrides[q]! - outStrides[p]!);
      const inOrder = (numbers: readonly number[]): number[] => order.map((axis) => numbers[axis]!);
      const box = boxOf(inOrder(shape), inOrder(xStrides), inOrder(outStrides));
      const { inner, outer } = box;
      const across = outer.findIndex((axis) => axis.first === 1);
      if (inner.second === 1 && inner.first > 1 && across >= 0) {
        const tall = outer[across]!;
        const axes = outer.toSpliced(across, 1);
        const blockRows = Math.ceil(tall.size / TRANSPOSE_SIDE);
        const blockColumns = Math.ceil(inner.size / TRANSPOSE_SIDE);
        recorder.record('COPY_TRANSPOSED', placesOf(axes) * blockRows * blockColumns, {
          ...{ x: from, out: to, height: tall.size, width: inner.size },
          ...{ xStride: inner.first, outStride: tall.second, blockRows, blockColumns, axes },
        });
        return;
      }
      const { tiles, words } = tileBox(box);
      recorder.record('COPY_ROWS', tiles, {
        ...words,
        ...{ x: from, out: to, xStride: inner.first, outStride: inner.second, axes: outer },
      });
    },
  };
}
