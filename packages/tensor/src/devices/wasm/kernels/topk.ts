/** Records top-k, and taking and scattering along rows. */
import type { TopKKernels } from '../../kernels/topk.ts';
import type { Recorder } from '../recorder.ts';
import { tileRows } from './tiles.ts';

export function topKKernels(recorder: Recorder): TopKKernels {
  return {
    topK({ x, values, indices, rows, columns, k }) {
      if (k === 0) return;
      const { rowsPerTile, tiles } = tileRows(rows, columns);
      recorder.record('TOP_K', tiles, { x, values, indices, rows, columns, k, rowsPerTile });
    },

    takeAlongRows({ x, indices, out, rows, columns, k }) {
      const { rowsPerTile, tiles } = tileRows(rows, k);
      recorder.record('TAKE_ALONG_ROWS', tiles, { x, indices, out, rows, columns, k, rowsPerTile });
    },

    scatterAlongRows({ x, indices, out, fill, accumulate, rows, columns, k }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns + k);
      const words = { x, indices, out, rows, columns, k, rowsPerTile, fill, accumulate };
      recorder.record('SCATTER_ALONG_ROWS', tiles, words);
    },
  };
}
