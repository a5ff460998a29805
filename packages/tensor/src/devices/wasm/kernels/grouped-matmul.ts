/** Records matrix products of groups of rows. */
import type { GroupedMatmulKernels } from '../../kernels/grouped-matmul.ts';
import type { Recorder } from '../recorder.ts';
import { tile } from './matmul-tiling.ts';

export function groupedMatmulKernels(recorder: Recorder): GroupedMatmulKernels {
  return {
    groupedMatmul({ x, weights, offsets, out, groups, rows, n, k, transposeWeights }): void {
      if (rows * n === 0) return;
      const tiling = tile(rows, n, k, 1, recorder.threads);
      // Every group may end with a block that is not full.
      const rowTiles = Math.min(rows, Math.floor(rows / tiling.rows) + groups);
      recorder.record('GROUPED_MATMUL', rowTiles * tiling.columnTiles, {
        x,
        weights,
        offsets,
        out,
        groups,
        n,
        k,
        transposeWeights,
        rowsPerTile: tiling.rows,
        columnsPerTile: tiling.columns,
        columnTiles: tiling.columnTiles,
        rows,
      });
    },

    groupedMatmulTransposed({ a, b, offsets, out, groups, rows: total, m, n }): void {
      if (groups * m * n === 0) return;
      const { rows, columns, rowTiles, columnTiles } = tile(m, n, total / groups, groups, recorder.threads);
      recorder.record('GROUPED_MATMUL_TRANSPOSED', groups * rowTiles * columnTiles, {
        a,
        b,
        offsets,
        out,
        m,
        n,
        rowsPerTile: rows,
        columnsPerTile: columns,
        rowTiles,
        columnTiles,
        rows: total,
      });
    },
  };
}
