/** Records the loss kernels. */
import type { Kernels } from '../../kernels.ts';
import { COUNT_LABELS, SOFTMAX_CROSS_ENTROPY } from '../opcodes.ts';
import type { Recorder } from '../recorder.ts';
import { tileRows } from './tiles.ts';

export function lossKernels(recorder: Recorder): Pick<Kernels, 'countLabels' | 'softmaxCrossEntropy'> {
  return {
    countLabels({ labels, out, rows, ignoredLabel }) {
      recorder.record(COUNT_LABELS, 1, [recorder.address(labels), recorder.address(out), rows, ignoredLabel]);
    },
    softmaxCrossEntropy({ logits, labels, labelOffset, losses, lossOffset, scale, rows, columns, ignoredLabel }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns);
      recorder.record(SOFTMAX_CROSS_ENTROPY, tiles, [
        recorder.address(logits),
        recorder.address(labels) + 4 * labelOffset,
        recorder.address(losses) + 4 * lossOffset,
        recorder.address(scale),
        rows,
        columns,
        ignoredLabel,
        rowsPerTile,
      ]);
    },
  };
}
