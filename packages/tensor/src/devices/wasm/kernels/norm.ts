/** Records the norms, and combines the weight gradients that the tiles of a backward sum up. */
import type { DeviceBuffer } from '../../device.ts';
import type { NormKernels } from '../../kernels/norm.ts';
import type { Recorder } from '../recorder.ts';
import { recordReduction } from './reduce.ts';
import { LAYER_ELEMENTS_PER_TILE, tileRows } from './tiles.ts';

/** Elements whose weight gradients are summed into one row: enough rows to make the rows of partial sums cheap. */
const PARTIAL_ELEMENTS = 32768;

export function normKernels(recorder: Recorder): NormKernels {
  /** Makes `outputs`, sums over all rows, of rows of partial sums that `record` lets every tile write. */
  const combine = (
    tiles: number,
    columns: number,
    outputs: readonly DeviceBuffer[],
    record: (partials: readonly number[]) => void,
  ): void => {
    const partials = outputs.map(() => recorder.temporary(4 * tiles * columns));
    record(partials);
    for (const [index, output] of outputs.entries()) {
      const [x, out] = [partials[index]!, recorder.address(output)];
      recordReduction(recorder, { op: 'sum', x, out, outer: 1, length: tiles, inner: columns });
    }
    for (const partial of partials) recorder.release(partial);
  };

  return {
    rmsNorm({ x, weight, out, inverseRms, rows, columns, epsilon }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns, LAYER_ELEMENTS_PER_TILE);
      recorder.record('RMS_NORM', tiles, { rows, columns, rowsPerTile, x, weight, out, inverseRms, epsilon });
    },

    rmsNormBackward({ x, weight, inverseRms, gradient, gradX, gradWeight, rows, columns }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns, PARTIAL_ELEMENTS);
      combine(tiles, columns, [gradWeight], ([partialWeight]) =>
        recorder.record('RMS_NORM_BACKWARD', tiles, {
          rows,
          columns,
          rowsPerTile,
          x,
          weight,
          inverseRms,
          gradient,
          gradX,
          partialWeight: partialWeight!,
        }),
      );
    },

    layerNorm({ x, weight, bias, out, mean, inverseStd, rows, columns, epsilon }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns, LAYER_ELEMENTS_PER_TILE);
      const words = { rows, columns, rowsPerTile, x, weight, bias, out, mean, inverseStd, epsilon };
      recorder.record('LAYER_NORM', tiles, words);
    },

    layerNormBackward({ x, weight, mean, inverseStd, gradient, gradX, gradWeight, gradBias, rows, columns }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns, PARTIAL_ELEMENTS);
      combine(tiles, columns, [gradWeight, gradBias], ([partialWeight, partialBias]) =>
        recorder.record('LAYER_NORM_BACKWARD', tiles, {
          rows,
          columns,
          rowsPerTile,
          x,
          weight,
          mean,
          inverseStd,
          gradient,
          gradX,
          partialWeight: partialWeight!,
          partialBias: partialBias!,
        }),
      );
    },
  };
}
