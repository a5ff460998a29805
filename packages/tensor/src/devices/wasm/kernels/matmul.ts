/** Records matrix products. */
import type { MatmulKernels } from '../../kernels/matmul.ts';
import { MATMUL_DEPTH_BITS, MATMUL_PACK_COLUMNS, MATMUL_TURNED_ROW } from '../constants.ts';
import type { Recorder } from '../recorder.ts';
import { packedBytes, tile } from './matmul-tiling.ts';

export function matmulKernels(recorder: Recorder): MatmulKernels {
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
        recorder.record('MATMUL_TURN', copies * parts, { a: left.address, turned, m, k, aBatchBytes: left.stride });
        left = { address: turned, stride: aBatchStride === 0 ? 0 : bytes };
      }
      const pack = rowTiles > 1;
      if (pack) {
        const bytes = packedBytes(k, n);
        const copies = bBatchStride === 0 ? 1 : batch;
        const packed = recorder.temporary(copies * bytes);
        const packTiles = Math.ceil(n / MATMUL_PACK_COLUMNS);
        recorder.record('MATMUL_PACK', copies * packTiles * parts, {
          b: right.address,
          packed,
          n,
          k,
          transposeB,
          bBatchBytes: right.stride,
          columnTiles: packTiles,
        });
        right = { address: packed, stride: bBatchStride === 0 ? 0 : bytes };
      }

      recorder.record('MATMUL_PRODUCT', batch * rowTiles * columnTiles, {
        a: left.address,
        b: right.address,
        out,
        m,
        n,
        k,
        transposeA,
        transposeB,
        aBatchBytes: left.stride,
        bBatchBytes: right.stride,
        accumulate,
        rowsPerTile: rows,
        columnsPerTile: columns,
        rowTiles,
        columnTiles,
        turned: turn,
        packed: pack,
      });
      if (pack) recorder.release(right.address);
      if (turn) recorder.release(left.address);
    },
  };
}
