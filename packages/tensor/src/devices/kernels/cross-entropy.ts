/** Softmax cross entropy. */
import type { DeviceBuffer } from '../device.ts';

export interface CrossEntropyKernels {
  /** `out[0] = number of labels that are not ignoredLabel`; labels i32 `[rows]`. */
  countLabels(a: { labels: DeviceBuffer; out: DeviceBuffer; rows: number; ignoredLabel: number }): void;
  /**
   * `losses[row] = logSumExp(logits[row]) - logits[row, label]`, 0 where the label is ignored. When `scale` is given
   * (one number on the device), logits are overwritten by their gradient times `scale[0]`: `(softmax - onehot) *
   * scale`, 0 for ignored rows.
   */
  softmaxCrossEntropy(a: {
    logits: DeviceBuffer;
    labels: DeviceBuffer;
    labelOffset: number;
    losses: DeviceBuffer;
    lossOffset: number;
    scale: DeviceBuffer | null;
    rows: number;
    columns: number;
    ignoredLabel: number;
  }): void;
}
