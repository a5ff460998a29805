/** Records the gathers of rows. */
import type { GatherKernels } from '../../kernels/gather.ts';
import type { Recorder } from '../recorder.ts';
import { tileRows } from './tiles.ts';

export function gatherKernels(recorder: Recorder): GatherKernels {
  return {
    gatherRows({ rows, columns, ...rest }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns);
      recorder.record('GATHER_ROWS', tiles, { rows, columns, rowsPerTile, ...rest });
    },

    gatherSum({ rows, k, columns, ...rest }) {
      const { rowsPerTile, tiles } = tileRows(rows, k * columns);
      recorder.record('GATHER_SUM', tiles, { rows, k, columns, rowsPerTile, ...rest });
    },

    gatherDot({ rows, k, columns, ...rest }) {
      const { rowsPerTile, tiles } = tileRows(rows, k * columns);
      recorder.record('GATHER_DOT', tiles, { rows, k, columns, rowsPerTile, ...rest });
    },
  };
}
