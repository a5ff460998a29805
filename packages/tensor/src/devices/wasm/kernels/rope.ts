/** Records the rotary position embedding. */
import type { RopeKernels } from '../../kernels/rope.ts';
import type { Recorder } from '../recorder.ts';
import { LAYER_ELEMENTS_PER_TILE, tileRows } from './tiles.ts';

export function ropeKernels(recorder: Recorder): RopeKernels {
  return {
    rope({ x, cos, sin, out, batch, sequence, heads, headDim, offset, interleaved, inverse }) {
      const rows = batch * sequence;
      const { rowsPerTile, tiles } = tileRows(rows, heads * headDim, LAYER_ELEMENTS_PER_TILE);
      recorder.record('ROPE', tiles, {
        rows,
        columns: headDim,
        rowsPerTile,
        x,
        cos,
        sin,
        out,
        sequence,
        heads,
        offset,
        interleaved,
        inverse,
      });
    },
  };
}
