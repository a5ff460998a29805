/** Records matrix products of groups of rows. */
import type { Kernels } from '../../kernels.ts';
import { GROUPED_MATMUL, GROUPED_TRANSPOSED } from '../opcodes.ts';
import type { Recorder } from '../recorder.ts';
import { tile } from './tiling.ts';

export function groupedKernels(recorder: Recorder): Pick<Kernels, 'groupedMatmul' | 'groupedMatmulTransposed'> {
  return {
    groupedMatmul({ x, weights, offsets, out, groups, rows, n, k, transposeWeights }): void {
      if (rows * n === 0) return;
      const tiling = tile(rows, n, k, 1, recorder.threads);
      // Every group may end with a block that is not full.
      const rowTiles = Math.min(rows, Math.floor(rows / tiling.rows) + groups);
      recorder.record(GROUPED_MATMUL, rowTiles * tiling.columnTiles, [
        recorder.address(x),
        recorder.address(weights),
        recorder.address(offsets),
        recorder.address(out),
        groups,
        n,
        k,
        Number(transposeWeights),
        tiling.rows,
        tiling.columns,
        tiling.columnTiles,
        rows,
      ]);
    },
    groupedMatmulTransposed({ a, b, offsets, out, groups, rows: total, m, n }): void {
      if (groups * m * n === 0) return;
      const { rows, columns, rowTiles, columnTiles } = tile(m, n, total / groups, groups, recorder.threads);
      recorder.record(GROUPED_TRANSPOSED, groups * rowTiles * columnTiles, [
        recorder.address(a),
        recorder.address(b),
        recorder.address(offsets),
        recorder.address(out),
        m,
        n,
        rows,
        columns,
        rowTiles,
        columnTiles,
        total,
      ]);
    },
  };
}
