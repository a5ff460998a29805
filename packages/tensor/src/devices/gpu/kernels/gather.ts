/** Gathers of rows by index. */
import type { GatherKernels } from '../../kernels/gather.ts';
import { axes, dividedIndex, indexOf, int, quotient } from '../axes.ts';
import { argumentsOf, declarations } from '../recipe.ts';
import type { Recorder } from '../recorder.ts';
import { reduceElements } from './reduce.ts';

/** Of what a gathered table is computed from: beside it a launch binds indices, weights, the result and the fault. */
const MOST_TABLE_INPUTS = 3;

export function gatherKernels(run: Recorder): GatherKernels {
  return {
    gatherRows({ table, height, indices, divisor, weights, out, rows, columns }) {
      if (out.elements === 0) return;
      const { extents, at } = axes(columns, rows);
      // What the table is computed from is gathered, where it is little: a row is read some times, and written never.
      const given = run.recipe(table);
      const recipe = given.inputs.length <= MOST_TABLE_INPUTS ? given : run.computed(table);
      const { buffers, numbers, element } = argumentsOf(recipe);
      const value = run.launch({
        key: `gatherRows ${columns} ${divisor} ${weights !== null} ${at.join()} ${recipe.key}`,
        extents,
        buffers: {
          ...buffers,
          indices: run.value(indices),
          ...(weights !== null && { weights: run.value(weights) }),
        },
        numbers,
        indices: {
          indices: { kernel: 'GATHER_ROWS', what: 'index', count: height, things: 'rows in the table', divisor },
        },
        body: () => {
          const { lines, declare } = declarations('t');
          const index = declare(`indices[${at[1]!}]`);
          const place = `(${indexOf([dividedIndex(index, divisor), at[0]!], [columns, 1])})`;
          const taken = element(place, declare);
          return `${lines.join('\n')}
            return ${taken}${weights === null ? '' : ` * weights[${int(index)}]`};`;
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
