/** Softmax cross entropy, from logits or straight from hidden states without ever holding all logits. */
import { needsGradient, record } from '../autograd.ts';
import type { Device } from '../devices/device.ts';
import { scope } from '../scope.ts';
import { formatShape } from '../shape.ts';
import { checkIndices, deviceOf, Tensor } from '../tensor.ts';
import { affine, divide, multiply, reciprocal } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { slice } from './movement.ts';
import { sum } from './reduce.ts';
import { rowsOf } from './rows.ts';

/**
 * Rows of logits that exist at once: at a vocabulary of 4,096 a block of 4 MiB, which the caches of a CPU keep near.
 */
const ROWS_PER_CHUNK = 256;

/** Logits that exist at once on a GPU, which has no use for small blocks, while each costs launches: 64 MiB. */
const GPU_LOGITS = 2 ** 24;

function rowsPerChunk({ kind }: Device, classes: number): number {
  return kind === 'gpu' ? Math.max(ROWS_PER_CHUNK, Math.floor(GPU_LOGITS / classes)) : ROWS_PER_CHUNK;
}

/** Which rows a cross entropy leaves out. */
export interface CrossEntropyOptions {
  /** Rows with this label count neither in the sum nor in the mean (-100, as in PyTorch). */
  readonly ignoredLabel?: number;
}

/** In nats. */
export interface CrossEntropy {
  /** Mean over the rows whose label counts; NaN when there is none. */
  readonly loss: Tensor;
  /** Each row's loss `[rows]`, 0 where ignored; no gradient. */
  readonly losses: Tensor;
}

/** Mean of `-log softmax(logits)[label]`: logits `[..., classes]`, labels i32 `[...]`. */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): CrossEntropy {
  const { ignoredLabel = -100 } = options;
  const { rows, columns } = rowsOf('crossEntropy', logits);
  checkLabels('crossEntropy', labels, rows, columns, logits, ignoredLabel);
  const device = deviceOf('crossEntropy', logits, labels);
  const { loss, losses, work } = scope(
    device,
    () => {
      const count = countLabels(labels, ignoredLabel);
      // The kernel overwrites logits with their gradient, so it gets a copy.
      const work = affine(logits, 1);
      const losses = new Tensor(device, [rows]);
      device.kernels.softmaxCrossEntropy({
        logits: work.buffer,
        labels: labels.buffer,
        labelOffset: 0,
        losses: losses.buffer,
        lossOffset: 0,
        scale: reciprocal(count).buffer,
        rows,
        columns,
        ignoredLabel,
      });
      return { loss: divide(sum(losses), count), losses, work };
    },
    { gradients: false },
  );
  record('crossEntropy', loss, [logits], [work], (gradient, [gradLogits]) => [multiply(gradLogits!, gradient)]);
  work.dispose();
  return { loss, losses };
}

/**
 * Cross entropy of `hidden weight^T` against labels: hidden `[rows, width]`, weight `[classes, width]`, labels i32
 * `[rows]`. Logits are made a block of rows at a time and turned into gradients at once, so the memory does not grow
 * with rows times classes.
 */
export function linearCrossEntropy(
  hidden: Tensor,
  weight: Tensor,
  labels: Tensor,
  options: CrossEntropyOptions = {},
): CrossEntropy {
  const { ignoredLabel = -100 } = options;
  const { rows, columns: width } = rowsOf('linearCrossEntropy', hidden);
  const { rows: classes, columns: weightWidth } = rowsOf('linearCrossEntropy', weight);
  if (hidden.shape.length !== 2 || weight.shape.length !== 2 || width !== weightWidth) {
    throw new RangeError(
      `linearCrossEntropy: hidden ${formatShape(hidden.shape)} and weight ${formatShape(weight.shape)}: expected [rows, width] and [classes, width]`,
    );
  }
  checkLabels('linearCrossEntropy', labels, rows, classes, hidden, ignoredLabel);
  const device = deviceOf('linearCrossEntropy', hidden, weight, labels);
  const tracked = needsGradient([hidden, weight]);
  const result = scope(
    device,
    () => {
      const count = countLabels(labels, ignoredLabel);
      const scale = tracked ? reciprocal(count) : null;
      const losses = new Tensor(device, [rows]);
      const gradHidden = tracked ? new Tensor(device, hidden.shape) : null;
      const gradWeight = tracked ? new Tensor(device, weight.shape) : null;
      const most = rowsPerChunk(device, classes);
      for (let start = 0; start < rows; start += most) {
        const size = Math.min(most, rows - start);
        scope(device, () => {
          const chunk = slice(hidden, 0, start, start + size);
          const logits = matmul(chunk, weight, { transposeB: true });
          device.kernels.softmaxCrossEntropy({
            logits: logits.buffer,
            labels: labels.buffer,
            labelOffset: start,
            losses: losses.buffer,
            lossOffset: start,
            scale: scale?.buffer ?? null,
            rows: size,
            columns: classes,
            ignoredLabel,
          });
          if (gradHidden === null || gradWeight === null) return;
          copyRows(matmul(logits, weight), gradHidden, start);
          device.kernels.matmul({
            a: logits.buffer,
            b: chunk.buffer,
            out: gradWeight.buffer,
            batch: 1,
            m: classes,
            n: width,
            k: size,
            transposeA: true,
            transposeB: false,
            aBatchStride: 0,
            bBatchStride: 0,
            accumulate: start > 0,
          });
        });
      }
      return { loss: divide(sum(losses), count), losses, gradHidden, gradWeight };
    },
    { gradients: false },
  );
  const { loss, losses, gradHidden, gradWeight } = result;
  if (gradHidden !== null && gradWeight !== null) {
    record(
      'linearCrossEntropy',
      loss,
      [hidden, weight],
      [gradHidden, gradWeight],
      (gradient, [savedHidden, savedWeight]) => [multiply(savedHidden!, gradient), multiply(savedWeight!, gradient)],
    );
    // The tape holds them from here on.
    gradHidden.dispose();
    gradWeight.dispose();
  }
  return { loss, losses };
}

function copyRows(rows: Tensor, target: Tensor, start: number): void {
  target.device.kernels.stridedCopy({
    x: rows.buffer,
    xOffset: 0,
    xStrides: [1],
    out: target.buffer,
    outOffset: start * target.shape[1]!,
    outStrides: [1],
    shape: [rows.size],
  });
}

function countLabels(labels: Tensor, ignoredLabel: number): Tensor {
  const out = new Tensor(labels.device, []);
  labels.device.kernels.countLabels({ labels: labels.buffer, out: out.buffer, rows: labels.size, ignoredLabel });
  return out;
}

function checkLabels(
  op: string,
  labels: Tensor,
  rows: number,
  classes: number,
  of: Tensor,
  ignoredLabel: number,
): void {
  checkIndices(op, 'labels', labels, classes, 'classes', ignoredLabel);
  if (labels.size !== rows) {
    throw new RangeError(`${op}: ${labels.size} labels for ${formatShape(of.shape)}, which has ${rows} rows`);
  }
}
