/** Records the layer kernels: groups rows into tiles and combines the norms' weight gradients over them. */
import type { DeviceBuffer } from '../../device.ts';
import type { Kernels } from '../../kernels.ts';
import * as opcodes from '../opcodes.ts';
import { floatBits, type Recorder } from '../recorder.ts';
import { recordReduction } from './reduce.ts';

/** Elements of one tile: some microseconds of work. */
const TILE_ELEMENTS = 8192;

/** Elements whose weight gradients are summed into one row: enough rows to make the rows of partial sums cheap. */
const PARTIAL_ELEMENTS = 32768;

const rowsPerTile = (elements: number, columns: number): number =>
  Math.max(1, Math.floor(elements / Math.max(1, columns)));

export function layersKernels(
  recorder: Recorder,
): Pick<
  Kernels,
  | 'rmsNorm'
  | 'rmsNormBackward'
  | 'layerNorm'
  | 'layerNormBackward'
  | 'softmax'
  | 'softmaxBackward'
  | 'logSumExp'
  | 'swiGlu'
  | 'swiGluBackward'
  | 'rope'
> {
  const address = (buffer: DeviceBuffer): number => recorder.address(buffer);

  /** Records a kernel over rows; `rowElements` says how much work a row is. */
  const recordRows = (
    opcode: number,
    rows: number,
    columns: number,
    rowElements: number,
    words: readonly number[],
  ): void => {
    const perTile = rowsPerTile(TILE_ELEMENTS, rowElements);
    recorder.record(opcode, Math.ceil(rows / perTile), [rows, columns, perTile, ...words]);
  };

  /**
   * Records the backward of a norm: `outputs` are sums over all rows, of which every tile writes a row of partial sums.
   */
  const recordNormBackward = (
    opcode: number,
    rows: number,
    columns: number,
    words: readonly number[],
    outputs: readonly DeviceBuffer[],
  ): void => {
    const perTile = rowsPerTile(PARTIAL_ELEMENTS, columns);
    const tiles = Math.ceil(rows / perTile);
    const partials = outputs.map(() => recorder.temporary(4 * tiles * columns));
    recorder.record(opcode, tiles, [rows, columns, perTile, ...words, ...partials]);
    for (const [index, output] of outputs.entries()) {
      const [x, out] = [partials[index]!, address(output)];
      recordReduction(recorder, { op: 'sum', x, out, outer: 1, length: tiles, inner: columns });
    }
    for (const partial of partials) recorder.release(partial);
  };

  return {
    rmsNorm: ({ x, weight, out, inverseRms, rows, columns, epsilon }) =>
      recordRows(opcodes.RMS_NORM, rows, columns, columns, [
        ...[address(x), address(weight), address(out), address(inverseRms), floatBits(epsilon)],
      ]),

    rmsNormBackward: ({ x, weight, inverseRms, gradient, gradX, gradWeight, rows, columns }) =>
      recordNormBackward(
        opcodes.RMS_NORM_BACKWARD,
        rows,
        columns,
        [address(x), address(weight), address(inverseRms), address(gradient), address(gradX)],
        [gradWeight],
      ),

    layerNorm: ({ x, weight, bias, out, mean, inverseStd, rows, columns, epsilon }) =>
      recordRows(opcodes.LAYER_NORM, rows, columns, columns, [
        ...[address(x), address(weight), address(bias), address(out), address(mean), address(inverseStd)],
        floatBits(epsilon),
      ]),

    layerNormBackward: ({ x, weight, mean, inverseStd, gradient, gradX, gradWeight, gradBias, rows, columns }) =>
      recordNormBackward(
        opcodes.LAYER_NORM_BACKWARD,
        rows,
        columns,
        [address(x), address(weight), address(mean), address(inverseStd), address(gradient), address(gradX)],
        [gradWeight, gradBias],
      ),

    softmax: ({ x, out, rows, columns }) =>
      recordRows(opcodes.SOFTMAX, rows, columns, columns, [address(x), address(out)]),

    softmaxBackward: ({ y, gradient, out, rows, columns }) =>
      recordRows(opcodes.SOFTMAX_BACKWARD, rows, columns, columns, [address(y), address(gradient), address(out)]),

    logSumExp: ({ x, out, rows, columns }) =>
      recordRows(opcodes.LOG_SUM_EXP, rows, columns, columns, [address(x), address(out)]),

    swiGlu: ({ x, out, rows, width }) =>
      recordRows(opcodes.SWI_GLU, rows, width, 2 * width, [address(x), address(out)]),

    swiGluBackward: ({ x, gradient, gradX, rows, width }) =>
      recordRows(opcodes.SWI_GLU_BACKWARD, rows, width, 2 * width, [address(x), address(gradient), address(gradX)]),

    rope: ({ x, cos, sin, out, batch, sequence, heads, headDim, offset, interleaved, inverse }) =>
      recordRows(opcodes.ROPE, batch * sequence, headDim, heads * headDim, [
        ...[address(x), address(cos), address(sin), address(out), sequence, heads, offset],
        ...[interleaved ? 1 : 0, inverse ? 1 : 0],
      ]),
  };
}
