/** Gathers of rows by index. */
import type { GatherKernels } from '../../kernels/gather.ts';
import { axes, dividedIndex, indexOf, int, quotient } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import { reduceElements } from './reduce.ts';

export function gatherKernels(run: Recorder): GatherKernels {
  return {
    gatherRows({ table, height, indices, divisor, weights, out, rows, columns }) {
      if (out.elements === 0) return;
      const { extents, at } = axes(columns, rows);
      const value = run.launch({
        key: `gatherRows ${columns} ${divisor} ${weights !== null} ${at.join()}`,
        extents,
        buffers: {
          table: run.value(table),
          indices: run.value(indices),
          ...(weights !== null && { weights: run.value(weights) }),
        },
        indices: {
          indices: { kernel: 'GATHER_ROWS', what: 'index', count: height, things: 'rows in the table', divisor },
        },
        body: () => {
          const index = `indices[${at[1]!}]`;
          const element = `table[${indexOf([dividedIndex(index, divisor), at[0]!], [columns, 1])}]`;
          return `return ${element}${weights === null ? '' : ` * weights[${int(index)}]`};`;
        },
      });
      run.store(out, value, weights === null && run.isInteger(table));
    },

    gatherSum({ x, height, positions, weights, out, rows, k, columns }) {
      if (out.elements === 0) return;
      const { extents, at } = axes(columns, rows);
      const value = run.launch({
        key: `gatherSum ${k} ${columns} ${weights !== null} ${at.join()}`,
        extents,
        buffers: {
          x: run.value(x),
          positions: run.value(positions),
          ...(weights !== null && { weights: run.value(weights) }),
        },
        indices: { positions: { kernel: 'GATHER_SUM', what: 'position', count: height, things: 'rows' } },
        body: () => {
          const choice = indexOf([int('j'), at[1]!], [1, k]);
          const element = `x[${indexOf([int(`positions[${choice}]`), at[0]!], [columns, 1])}]`;
          return `let sum = 0.0;
            for (let j = 0; j < ${k}; j++) {
              sum = sum + ${element}${weights === null ? '' : ` * weights[${choice}]`};
            }
            return sum;`;
        },
      });
      run.store(out, value);
    },

    gatherDot({ a, x, height, positions, out, rows, k, columns }) {
      if (out.elements === 0) return;
      if (columns === 0) {
        run.store(out, run.constant(out.elements, 0));
        return;
      }
      const value = reduceElements(run, {
        op: 'sum',
        outer: rows * k,
        length: columns,
        inner: 1,
        key: `gatherDot ${k}`,
        indices: { positions: { kernel: 'GATHER_DOT', what: 'position', count: height, things: 'rows' } },
        buffers: { a: run.value(a), x: run.value(x), positions: run.value(positions) },
        element: (choice, column) =>
          `a[${indexOf([quotient(choice, k), column], [columns, 1])}] * ` +
          `x[${indexOf([int(`positions[${choice}]`), column], [columns, 1])}]`,
      });
      run.store(out, value);
    },
  };
}
