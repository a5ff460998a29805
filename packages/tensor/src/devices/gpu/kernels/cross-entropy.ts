/** Softmax cross entropy. */
import type { CrossEntropyKernels } from '../../kernels/cross-entropy.ts';
import { axes, indexOf } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import { SHORT_ROW } from './over-rows.ts';
import { reduceElements, reduceLoop } from './reduce.ts';
import { launchRows, overColumns, read, setRow, takesRows } from './row-shader.ts';
import { LOG_SUM, rowLogSumExp } from './softmax.ts';

export function crossEntropyKernels(run: Recorder): CrossEntropyKernels {
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
      const short = columns <= SHORT_ROW;
      const needsGradient = scale !== null && logits.elements > 0;
      const atOnce =
        needsGradient && takesRows(run, columns)
          ? rowsAtOnce(
              run,
              { x, labels: labelsValue, scale: run.value(scale) },
              { labelOffset, rows, columns, ignoredLabel },
            )
          : null;
      const logSums = atOnce?.logSums ?? (needsGradient || !short ? rowLogSumExp(run, x, rows, columns) : null);
      const all = axes(losses.elements);
      const place = all.at[0]!;
      const lossValue = run.launch({
        key: `crossEntropy losses ${losses.elements} ${rows} ${columns} ${labelOffset} ${lossOffset}`,
        extents: all.extents,
        buffers: { x, labels: labelsValue, old: run.value(losses), ...(!short && { logSums: logSums! }) },
        indices: {
          labels: {
            kernel: 'SOFTMAX_CROSS_ENTROPY',
            what: 'label',
            count: columns,
            things: 'classes',
            ignored: ignoredLabel,
          },
        },
        numbers: { ignored: ignoredLabel, lowest: Number.NEGATIVE_INFINITY },
        body: () => {
          const row = `(${place} - ${lossOffset})`;
          return `if (${place} < ${lossOffset}) { return old[${place}]; }
            if (${place} >= ${lossOffset + rows}) { return old[${place}]; }
            const label = labels[${row} + ${labelOffset}];
            if (label === ignored) { return 0.0; }
            const own = x[${indexOf([row], [columns])} + (label | 0)];
            ${short ? shortRowLoss(row, columns) : `return logSums[${row}] - own;`}`;
        },
      });
      run.store(losses, lossValue);
      if (!needsGradient) return;
      if (atOnce !== null) {
        run.store(logits, atOnce.gradient);
        return;
      }
      const { extents, at } = axes(columns, rows);
      const gradient = run.launch({
        key: `crossEntropy gradient ${columns} ${at.join()} ${labelOffset}`,
        extents,
        buffers: { x, labels: labelsValue, logSums: logSums!, scale: run.value(scale) },
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

/**
 * Returns the loss of a row whose label's logit is `own`. The largest logit is kept out of the sum, so that a small
 * loss is as exact as a large one: `log(1 + others) + largest - own`.
 */
function shortRowLoss(row: string, columns: number): string {
  const loop = (op: 'max' | 'sum', name: string, identity: string, of: (x: string) => string): string =>
    reduceLoop(op, columns, name, identity, (column) => ({
      guard: null,
      value: of(`x[${indexOf([column, row], [1, columns])}]`),
    }));
  return `${loop('max', 'largest', 'lowest', (x) => x)}
    ${loop('sum', 'below', '0.0', (x) => `(${x} < largest ? Math.exp(${x} - largest) : 0.0)`)}
    ${loop('sum', 'equal', '0.0', (x) => `(${x} < largest ? 0.0 : 1.0)`)}
    const others = below + (equal - 1);
    return largest - own + (others < 1 ? logOnePlus(others) : Math.log(1 + others));`;
}

/** Logarithmic sums and gradients of long rows in one launch. */
function rowsAtOnce(
  run: Recorder,
  buffers: { readonly x: Value; readonly labels: Value; readonly scale: Value },
  given: {
    readonly labelOffset: number;
    readonly rows: number;
    readonly columns: number;
    readonly ignoredLabel: number;
  },
): { readonly logSums: Value; readonly gradient: Value } {
  const { labelOffset, rows, columns, ignoredLabel } = given;
  const [logSums, gradient] = launchRows(run, {
    ...{ key: 'crossEntropy', rows, columns, buffers },
    integers: { labelOffset },
    numbers: { ignored: ignoredLabel },
    results: { sums: 'row', gradient: 'element' },
    body: `${LOG_SUM}
      ${setRow('sums', 'logSum')}
      let label = ${read('labels', 'params.labelOffset + row')};
      ${overColumns(`let hit = select(0.0, 1.0, i32(label) == column);
        gradient[at] = select((exp(${read('x', 'at')} - logSum) - hit) * ${read('scale', '0')}, 0.0, label == params.ignored);`)}`,
  });
  return { logSums: logSums!, gradient: gradient! };
}
