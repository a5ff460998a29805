/** Records the gated linear unit. */
import type { SwiGluKernels } from '../../kernels/swiglu.ts';
import type { Recorder } from '../recorder.ts';
import { LAYER_ELEMENTS_PER_TILE, tileRows } from './tiles.ts';

export function swiGluKernels(recorder: Recorder): SwiGluKernels {
  return {
    swiGlu({ x, out, rows, width }) {
      const { rowsPerTile, tiles } = tileRows(rows, 2 * width, LAYER_ELEMENTS_PER_TILE);
      recorder.record('SWI_GLU', tiles, { rows, columns: width, rowsPerTile, x, out });
    },

    swiGluBackward({ x, gradient, gradX, rows, width }) {
      const { rowsPerTile, tiles } = tileRows(rows, 2 * width, LAYER_ELEMENTS_PER_TILE);
      recorder.record('SWI_GLU_BACKWARD', tiles, { rows, columns: width, rowsPerTile, x, gradient, gradX });
    },
  };
}
