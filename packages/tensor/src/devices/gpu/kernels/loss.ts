/** Softmax cross entropy. */
import type { Kernels } from '../../kernels.ts';
import { axes, indexOf } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import { rowLogSumExp } from './softmax.ts';
import { reduceElements } from './reduce.ts';

export function lossKernels(run: Recorder): Pick<Kernels, 'countLabels' | 'softmaxCrossEntropy'> {
  return {
    countLabels({ labels, out, rows, ignoredLabel }) {
      if (rows === 0) {
        run.store(out, run.constant(1, 0));
        return;
      }
      const value = reduceElements(run, {
        op: 'sum',
        outer: 1,
        length: rows,
        inner: 1,
        key: 'labels',
        buffers: { labels: run.value(labels) },
        numbers: { ignored: ignoredLabel },
        element: (_, row) => `(labels[${row}] === ignored ? 0.0 : 1.0)`,
      });
      run.store(out, value);
    },

    softmaxCrossEntropy({ logits, labels, labelOffset, losses, lossOffset, scale, rows, columns, ignoredLabel }) {
      if (rows === 0) return;
      const x = run.value(logits);
      const labelsValue = run.value(labels);
      const logSums = rowLogSumExp(run, x, rows, columns);
      const all = axes(losses.elements);
      const place = all.at[0]!;
      const lossValue = run.launch({
        key: `crossEntropy losses ${losses.elements} ${rows} ${columns} ${labelOffset} ${lossOffset}`,
        extents: all.extents,
        buffers: { x, labels: labelsValue, logSums, old: run.value(losses) },
        numbers: { ignored: ignoredLabel },
        body: () => {
          const row = `(${place} - ${lossOffset})`;
          return `if (${place} < ${lossOffset}) { return old[${place}]; }
            if (${place} >= ${lossOffset + rows}) { return old[${place}]; }
            const label = labels[${row} + ${labelOffset}];
            if (label === ignored) { return 0.0; }
            return logSums[${row}] - x[${indexOf([row], [columns])} + (label | 0)];`;
        },
      });
      run.store(losses, lossValue);
      if (scale === null || logits.elements === 0) return;
      const { extents, at } = axes(columns, rows);
      const gradient = run.launch({
        key: `crossEntropy gradient ${columns} ${at.join()} ${labelOffset}`,
        extents,
        buffers: { x, labels: labelsValue, logSums, scale: run.value(scale) },
        numbers: { ignored: ignoredLabel },
        body: () => {
          const [column, row] = [at[0]!, at[1]!];
          return `const label = labels[${row} + ${labelOffset}];
            if (label === ignored) { return 0.0; }
            const hit = label === ${column} ? 1.0 : 0.0;
            return (Math.exp(x[${indexOf(at, [1, columns])}] - logSums[${row}]) - hit) * scale[0];`;
        },
      });
      run.store(logits, gradient);
    },
  };
}
