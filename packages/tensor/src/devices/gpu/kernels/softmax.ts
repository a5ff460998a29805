/** Softmax and logarithmic sums of exponentials over rows, stable. */
import type { SoftmaxKernels } from '../../kernels/softmax.ts';
import { axes, indexOf } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import { overRows, rowNumber } from './over-rows.ts';
import { LONGEST, reduceLoop } from './reduce.ts';
import { launchRows, overColumns, read, rowMaximum, rowSum, setRow, takesRows } from './row-shader.ts';

export function softmaxKernels(run: Recorder): SoftmaxKernels {
  return {
    softmax({ x: xBuffer, out, rows, columns }) {
      if (out.elements === 0) return;
      const shape = { rows, columns, buffers: { x: run.value(xBuffer) } };
      if (takesRows(run, columns)) {
        const x = read('x', 'at');
        const [elements] = launchRows(run, {
          ...shape,
          key: 'softmax',
          results: { out: 'element' },
          body: `${rowMaximum('largest', x)}
            ${rowSum('sum', `exp(${x} - largest)`)}
            ${overColumns(`out[at] = exp(${x} - largest) / sum;`)}`,
        });
        run.store(out, elements!);
        return;
      }
      const largest = rowNumber(run, { ...shape, name: 'largest', key: 'x', op: 'max', element: (at) => `x[${at}]` });
      const sum = rowNumber(run, {
        ...shape,
        name: 'sum',
        key: 'exp above',
        buffers: { ...shape.buffers, ...largest.buffers },
        element: (at, row) => `Math.exp(x[${at}] - ${largest.of(row)})`,
      });
      const { elements } = overRows(run, {
        ...shape,
        key: 'softmax',
        rowNumbers: [largest, sum],
        element: (at, row) => `Math.exp(x[${at}] - ${largest.of(row)}) / ${sum.of(row)}`,
      });
      run.store(out, elements);
    },

    softmaxBackward({ y, gradient, out, rows, columns }) {
      if (out.elements === 0) return;
      const shape = { rows, columns, buffers: { y: run.value(y), gradient: run.value(gradient) } };
      if (takesRows(run, columns)) {
        const [own, given] = [read('y', 'at'), read('gradient', 'at')];
        const [elements] = launchRows(run, {
          ...shape,
          key: 'softmaxBackward',
          results: { out: 'element' },
          body: `${rowSum('dot', `${own} * ${given}`)}
            ${overColumns(`out[at] = ${own} * (${given} - dot);`)}`,
        });
        run.store(out, elements!);
        return;
      }
      const dot = rowNumber(run, {
        ...shape,
        name: 'dot',
        key: 'softmax dot',
        element: (at) => `y[${at}] * gradient[${at}]`,
      });
      const { elements } = overRows(run, {
        ...shape,
        key: 'softmaxBackward',
        rowNumbers: [dot],
        element: (at, row) => `y[${at}] * (gradient[${at}] - ${dot.of(row)})`,
      });
      run.store(out, elements);
    },

    logSumExp({ x, out, rows, columns }) {
      if (rows === 0) return;
      if (columns === 0) run.store(out, run.constant(rows, Number.NEGATIVE_INFINITY));
      else run.store(out, rowLogSumExp(run, run.value(x), rows, columns));
    },
  };
}

/**
 * One number a row, infinite where its largest element is. Long rows are cut into parts, whose logarithmic sums are
 * reduced again.
 */
export function rowLogSumExp(run: Recorder, x: Value, rows: number, columns: number): Value {
  if (takesRows(run, columns)) {
    const shape = { rows, columns, buffers: { x } };
    return launchRows(run, {
      ...shape,
      key: 'logSumExp',
      results: { sums: 'row' },
      body: `${LOG_SUM}\n${setRow('sums', 'logSum')}`,
    })[0]!;
  }
  const parts = columns > LONGEST ? Math.ceil(columns / LONGEST) : 1;
  const rounds = Math.ceil(columns / parts);
  const { extents, at } = axes(parts, rows);
  const sums = run.launch({
    key: `log of sum ${columns} ${at.join()}`,
    extents,
    buffers: { x },
    numbers: { lowest: Number.NEGATIVE_INFINITY },
    body: () => {
      const [part, row] = [at[0]!, at[1]!];
      const overRounds = (op: 'max' | 'sum', identity: string, name: string, of: (element: string) => string): string =>
        reduceLoop(op, rounds, name, identity, (round) => {
          const column = parts === 1 ? round : `(${round} * ${parts} + ${part})`;
          return {
            guard: rounds * parts > columns ? `${column} < ${columns}` : null,
            value: of(`x[${indexOf([column, row], [1, columns])}]`),
          };
        });
      return `${overRounds('max', 'lowest', 'largest', (element) => element)}
        if (Math.abs(largest) > 3.4e38) { return largest; }
        ${overRounds('sum', '0.0', 'sum', (element) => `Math.exp(${element} - largest)`)}
        return Math.log(sum) + largest;`;
    },
  });
  return parts === 1 ? sums : rowLogSumExp(run, sums, rows, parts);
}

/** Of a row of `x` its logarithmic sum, `logSum`, infinite where the largest element is. */
export const LOG_SUM: string = `${rowMaximum('largest', read('x', 'at'))}
  ${rowSum('sum', `exp(${read('x', 'at')} - largest)`)}
  let logSum = select(log(sum) + largest, largest, abs(largest) > 3.4e38);`;
