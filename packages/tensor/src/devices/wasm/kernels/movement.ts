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
      const box = boxOf(...descending(shape, xStrides, outStrides));
      const { inner, outer } = box;
      const across = outer.findIndex((axis) => axis.first === 1);
      if (inner.second === 1 && inner.first > 1 && across >= 0) {
        const tall = outer[across]!;
        const axes = outer.toSpliced(across, 1);
        const blockRows = Math.ceil(tall.size / TRANSPOSE_SIDE);
        const blockColumns = Math.ceil(inner.size / TRANSPOSE_SIDE);
        recorder.record('COPY_TRANSPOSED', placesOf(axes) * blockRows * blockColumns, {
          x: from,
          out: to,
          height: tall.size,
          width: inner.size,
          xStride: inner.first,
          outStride: tall.second,
          blockRows,
          blockColumns,
          axes,
        });
        return;
      }
      const { tiles, rows, rowsPerTile, chunksPerRow, chunkColumns } = tileBox(box);
      recorder.record('COPY_ROWS', tiles, {
        rows,
        inner: inner.size,
        rowsPerTile,
        chunksPerRow,
        chunkColumns,
        x: from,
        out: to,
        xStride: inner.first,
        outStride: inner.second,
        axes: outer,
      });
    },
  };
}

type Numbers = readonly number[];

/**
 * The axes in the order of descending strides of `out`: any order copies the same, and in this one the most axes merge.
 */
function descending(shape: Numbers, xStrides: Numbers, outStrides: Numbers): [Numbers, Numbers, Numbers] {
  if (outStrides.every((stride, axis) => axis === 0 || stride <= outStrides[axis - 1]!)) {
    return [shape, xStrides, outStrides];
  }
  const order = shape.map((_, axis) => axis).sort((p, q) => outStrides[q]! - outStrides[p]!);
  const inOrder = (numbers: Numbers): Numbers => order.map((axis) => numbers[axis]!);
  return [inOrder(shape), inOrder(xStrides), inOrder(outStrides)];
}
