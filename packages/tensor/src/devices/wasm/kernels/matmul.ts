/** Records matrix products. */
import type { Kernels } from '../../kernels.ts';
import { MATMUL_PRODUCT } from '../opcodes.ts';
import type { Recorder } from '../recorder.ts';
import { tile } from './tiling.ts';

export function matmulKernels(recorder: Recorder): Pick<Kernels, 'matmul'> {
  return {
    matmul({ a, b, out, batch, m, n, k, transposeA, transposeB, aBatchStride, bBatchStride, accumulate }): void {
      if (batch * m * n === 0) return;
      const { rows, columns, rowTiles, columnTiles } = tile(m, n, batch, 4 * recorder.threads);
      recorder.record(MATMUL_PRODUCT, batch * rowTiles * columnTiles, [
        recorder.address(a),
        recorder.address(b),
        recorder.address(out),
        m,
        n,
        k,
        Number(transposeA),
        Number(transposeB),
        4 * aBatchStride,
        4 * bBatchStride,
        Number(accumulate),
        rows,
        columns,
        rowTiles,
        columnTiles,
      ]);
    },
  };
}
