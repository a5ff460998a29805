/** The gated linear unit. */
import type { SwiGluKernels } from '../../kernels/swiglu.ts';
import { axes, indexOf } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';

export function swiGluKernels(run: Recorder): SwiGluKernels {
  /** A launch over `[rows, columns]`; `body` gets the index of the element, its row and its column. */
  const overElements = (
    key: string,
    rows: number,
    columns: number,
    buffers: Readonly<Record<string, Value>>,
    body: (at: string, row: string, column: string) => string,
    numbers: Readonly<Record<string, number>> = {},
  ): Value => {
    const { extents, at } = axes(columns, rows);
    return run.launch({
      key: `${key} ${columns} ${at.join()}`,
      extents,
      buffers,
      numbers,
      body: () => body(indexOf(at, [1, columns]), at[1]!, at[0]!),
    });
  };

  return {
    swiGlu({ x, out, rows, width }) {
      if (out.elements === 0) return;
      const value = overElements('swiGlu', rows, width, { x: run.value(x) }, (_, row, column) => {
        const gate = indexOf([column, row], [1, 2 * width]);
        return `const gate = x[${gate}];
          return gate / (1 + Math.exp(-gate)) * x[${gate} + ${width}];`;
      });
      run.store(out, value);
    },

    swiGluBackward({ x, gradient, gradX, rows, width }) {
      if (gradX.elements === 0) return;
      // Columns below `width` hold the gate's gradient, the others that of what it lets through.
      const value = overElements(
        'swiGluBackward',
        rows,
        2 * width,
        { x: run.value(x), gradient: run.value(gradient) },
        (at, row, column) => `if (${column} < ${width}) {
            const gate = x[${at}];
            const sigmoid = 1 / (1 + Math.exp(-gate));
            return gradient[${indexOf([column, row], [1, width])}] * x[${at} + ${width}] * sigmoid * (1 + gate * (1 - sigmoid));
          }
          const opener = x[${at} - ${width}];
          return gradient[${indexOf([column, row], [1, width])} - ${width}] * opener / (1 + Math.exp(-opener));`,
      );
      run.store(gradX, value);
    },
  };
}
