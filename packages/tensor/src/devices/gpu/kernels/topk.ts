/** Selection along rows: the k largest elements, and elements taken and put by index. */
import type { TopKKernels } from '../../kernels/topk.ts';
import { axes, indexOf, int, isNaNText } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';

/** Whether the element (v, its column c) comes before (w, d): larger, NaN above all, the lower column among equals. */
function precedes(v: string, c: string, w: string, d: string): string {
  const [vNaN, wNaN] = [`(${isNaNText(v)})`, `(${isNaNText(w)})`];
  const either = `${vNaN} || ${wNaN}`;
  const numbers = `(${v} > ${w} || (${v} === ${w} && ${c} < ${d}))`;
  return `((${vNaN} && (!${wNaN} || ${c} < ${d})) || (!(${either}) && ${numbers}))`;
}

export function topKKernels(run: Recorder): TopKKernels {
  const takeAlongRows = (x: Value, indices: Value, rows: number, columns: number, k: number): Value => {
    const { extents, at } = axes(k, rows);
    return run.launch({
      key: `takeAlongRows ${columns} ${k} ${at.join()}`,
      extents,
      buffers: { x, indices },
      indices: { indices: { kernel: 'TAKE_ALONG_ROWS', what: 'index', count: columns, things: 'columns' } },
      body: () => `return x[${indexOf([at[1]!], [columns])} + ${int(`indices[${indexOf(at, [1, k])}]`)}];`,
    });
  };

  return {
    topK({ x: xBuffer, values, indices, rows, columns, k }) {
      if (indices.elements === 0) return;
      // The thread of place j passes over the row j + 1 times, each time for the first of those behind the last one.
      const chosen = (at: readonly string[], result: string): string => `let value = 0.0;
        let column = -1.0;
        for (let pass = 0; pass < ${k}; pass++) {
          if (${int('pass')} > ${at[0]!}) { break; }
          let best = 0.0;
          let bestColumn = -1.0;
          for (let c = 0; c < ${columns}; c++) {
            const v = x[${indexOf([int('c'), at[1]!], [1, columns])}];
            let open = 1.0;
            if (column >= 0.0) { if (!${precedes('value', 'column', 'v', int('c'))}) { open = 0.0; } }
            if (open > 0.5) {
              if (bestColumn < 0.0) { best = v; bestColumn = c; }
              else { if (${precedes('v', int('c'), 'best', 'bestColumn')}) { best = v; bestColumn = c; } }
            }
          }
          value = best;
          column = bestColumn;
        }
        return ${result};`;
      const [taken, largest] = run.launchSections({
        key: `topK ${columns} ${k}`,
        buffers: { x: run.value(xBuffer) },
        sections: ['column', 'value'].map((result) => ({ sizes: [k, rows], body: (at) => chosen(at, result) })),
      });
      run.store(indices, taken!, true);
      run.store(values, largest!);
    },

    takeAlongRows({ x, indices, out, rows, columns, k }) {
      if (out.elements === 0) return;
      run.store(out, takeAlongRows(run.value(x), run.value(indices), rows, columns, k), run.isInteger(x));
    },

    scatterAlongRows({ x, indices, out, fill, accumulate, rows, columns, k }) {
      if (out.elements === 0) return;
      if (k === 0) {
        run.store(out, run.constant(out.elements, fill));
        return;
      }
      const { extents, at } = axes(columns, rows);
      const value = run.launch({
        key: `scatterAlongRows ${k} ${accumulate} ${at.join()}`,
        extents,
        buffers: { x: run.value(x), indices: run.value(indices) },
        indices: { indices: { kernel: 'SCATTER_ALONG_ROWS', what: 'index', count: columns, things: 'columns' } },
        numbers: { fill },
        body: () => {
          const place = indexOf([int('j'), at[1]!], [1, k]);
          return `let value = fill;
            for (let j = 0; j < ${k}; j++) {
              if (indices[${place}] === ${at[0]!}) { value = ${accumulate ? 'value + ' : ''}x[${place}]; }
            }
            return value;`;
        },
      });
      run.store(out, value, run.isInteger(x));
    },
  };
}
