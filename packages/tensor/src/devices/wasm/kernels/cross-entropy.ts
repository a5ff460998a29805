/** Records cross entropy. */
import type { CrossEntropyKernels } from '../../kernels/cross-entropy.ts';
import type { Recorder } from '../recorder.ts';
import { tileRows } from './tiles.ts';

export function crossEntropyKernels(recorder: Recorder): CrossEntropyKernels {
  return {
    countLabels({ labels, out, rows, ignoredLabel }) {
      recorder.record('COUNT_LABELS', 1, { labels, out, rows, ignoredLabel });
    },

    softmaxCrossEntropy({ logits, labels, labelOffset, losses, lossOffset, scale, rows, columns, ignoredLabel }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns);
      recorder.record('SOFTMAX_CROSS_ENTROPY', tiles, {
        logits,
        labels: recorder.address(labels) + 4 * labelOffset,
        losses: recorder.address(losses) + 4 * lossOffset,
        scale,
        rows,
        columns,
        ignoredLabel,
        rowsPerTile,
      });
    },
  };
}
