/** Records matrix products. */
import type { Kernels } from '../../kernels.ts';
import {
  MATMUL_DEPTH_BITS,
  MATMUL_PACK,
  MATMUL_PACK_COLUMNS,
  MATMUL_PRODUCT,
  MATMUL_TURN,
  MATMUL_TURNED_ROW,
} from '../opcodes.ts';
import type { Recorder } from '../recorder.ts';
import { packedBytes, tile } from './tiling.ts';

export function matmulKernels(recorder: Recorder): Pick<Kernels, 'matmul'> {
  return {
    matmul({ a, b, out, batch, m, n, k, transposeA, transposeB, aBatchStride, bBatchStride, accumulate }): void {
      if (batch * m * n === 0) return;
      const { rows, columns, rowTiles, columnTiles } = tile(m, n, k, batch, recorder.threads);
      const parts = Math.ceil(k / 2 ** MATMUL_DEPTH_BITS);
      let left = { address: recorder.address(a), stride: 4 * aBatchStride };
      let right = { address: recorder.address(b), stride: 4 * bBatchStride };

      // What several tiles would turn or pack alike is turned or packed beforehand.
      const turn = transposeA && columnTiles > 1;
      if (turn) {
        const bytes = parts * m * MATMUL_TURNED_ROW;
        const copies = aBatchStride === 0 ? 1 : batch;
        const turned = recorder.temporary(copies * bytes);
        recorder.record(MATMUL_TURN, copies * parts, [left.address, turned, m, k, left.stride]);
        left = { address: turned, stride: aBatchStride === 0 ? 0 : bytes };
      }
      const pack = rowTiles > 1;
      if (pack) {
        const bytes = packedBytes(k, n);
        const copies = bBatchStride === 0 ? 1 : batch;
        const packed = recorder.temporary(copies * bytes);
        const packTiles = Math.ceil(n / MATMUL_PACK_COLUMNS);
        const words = [right.address, packed, n, k, Number(transposeB), right.stride, packTiles];
        recorder.record(MATMUL_PACK, copies * packTiles * parts, words);
        right = { address: packed, stride: bBatchStride === 0 ? 0 : bytes };
      }

      recorder.record(MATMUL_PRODUCT, batch * rowTiles * columnTiles, [
        left.address,
        right.address,
        recorder.address(out),
        m,
        n,
        k,
        Number(transposeA),
        Number(transposeB),
        left.stride,
        right.stride,
        Number(accumulate),
        rows,
        columns,
        rowTiles,
        columnTiles,
        Number(turn),
        Number(pack),
      ]);
      if (pack) recorder.release(right.address);
      if (turn) recorder.release(left.address);
    },
  };
}
