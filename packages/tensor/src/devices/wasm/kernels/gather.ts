/** Records the gathers of rows. */
import type { GatherKernels } from '../../kernels/gather.ts';
import type { Recorder } from '../recorder.ts';
import { tileRows } from './tiles.ts';

export function gatherKernels(recorder: Recorder): GatherKernels {
  return {
    gatherRows({ table, height, indices, divisor, weights, out, rows, columns }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns);
      const words = { table, indices, weights, out, rows, columns, divisor, rowsPerTile, height };
      recorder.record('GATHER_ROWS', tiles, words);
    },

    gatherSum({ x, height, positions, weights, out, rows, k, columns }) {
      const { rowsPerTile, tiles } = tileRows(rows, k * columns);
      recorder.record('GATHER_SUM', tiles, { x, positions, weights, out, rows, k, columns, rowsPerTile, height });
    },

    gatherDot({ a, x, height, positions, out, rows, k, columns }) {
      const { rowsPerTile, tiles } = tileRows(rows, k * columns);
      recorder.record('GATHER_DOT', tiles, { a, x, positions, out, rows, k, columns, rowsPerTile, height });
    },
  };
}
