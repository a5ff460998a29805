/** Rotary position embedding. */
import type { RopeKernels } from '../../kernels/rope.ts';
import { axes, indexOf, int } from '../axes.ts';
import type { Recorder } from '../recorder.ts';

export function ropeKernels(run: Recorder): RopeKernels {
  return {
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
