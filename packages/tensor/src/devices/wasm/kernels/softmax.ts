/** Records softmax, its backward, and the logarithm of the sum of exponentials. */
import type { SoftmaxKernels } from '../../kernels/softmax.ts';
import type { Recorder } from '../recorder.ts';
import { LAYER_ELEMENTS_PER_TILE, tileRows } from './tiles.ts';

export function softmaxKernels(recorder: Recorder): SoftmaxKernels {
  return {
    softmax({ x, out, rows, columns }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns, LAYER_ELEMENTS_PER_TILE);
      recorder.record('SOFTMAX', tiles, { rows, columns, rowsPerTile, x, out });
    },

    softmaxBackward({ y, gradient, out, rows, columns }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns, LAYER_ELEMENTS_PER_TILE);
      recorder.record('SOFTMAX_BACKWARD', tiles, { rows, columns, rowsPerTile, y, gradient, out });
    },

    logSumExp({ x, out, rows, columns }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns, LAYER_ELEMENTS_PER_TILE);
      recorder.record('LOG_SUM_EXP', tiles, { rows, columns, rowsPerTile, x, out });
    },
  };
}
