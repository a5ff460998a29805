/** SwiGLU and rotary embeddings. */
import type { Kernels } from '../../kernels.ts';
import { axes, indexOf, int } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';

export function layerKernels(run: Recorder): Pick<Kernels, 'swiGlu' | 'swiGluBackward' | 'rope'> {
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

    rope({ x, cos, sin, out, batch, sequence, heads, headDim, offset, interleaved, inverse }) {
      if (out.elements === 0) return;
      const half = headDim / 2;
      const { extents, at } = axes(headDim, heads, sequence, batch);
      const value = run.launch({
        key: `rope ${headDim} ${offset} ${interleaved} ${inverse} ${at.join()} ${heads} ${sequence}`,
        extents,
        buffers: { x: run.value(x), cos: run.value(cos), sin: run.value(sin) },
        body: () => {
          const row = indexOf(at.slice(1), [headDim, headDim * heads, headDim * heads * sequence]);
          const [channel, , position] = [at[0]!, at[1]!, at[2]!];
          // The pair lies half a head apart or side by side, in what is read and in what is written.
          const apart = !interleaved;
          const readApart = apart || inverse;
          const writeApart = apart || !inverse;
          const pair = writeApart
            ? `const second = ${channel} >= ${half} ? 1.0 : 0.0;
               const pair = ${channel} - ${int('second')} * ${half};`
            : `const pair = (${channel} >> 1);
               const second = ${channel} - ${int('pair')} * 2;`;
          const [first, last] = readApart
            ? [`${row} + ${int('pair')}`, `${row} + ${int('pair')} + ${half}`]
            : [`${row} + ${int('pair')} * 2`, `${row} + ${int('pair')} * 2 + 1`];
          const angle = `${indexOf([position], [half], offset * half)} + ${int('pair')}`;
          const sine = inverse ? '-sin' : 'sin';
          return `${pair}
            const c = cos[${angle}];
            const s = ${sine}[${angle}];
            if (second < 0.5) { return x[${first}] * c - x[${last}] * s; }
            return x[${first}] * s + x[${last}] * c;`;
        },
      });
      run.store(out, value);
    },
  };
}
