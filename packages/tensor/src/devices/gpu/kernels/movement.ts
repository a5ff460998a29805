/** Strided copies. A copy of neighbours is free: the buffer then holds a part of the other's value. */
import { stridesOf } from '../../../shape.ts';
import type { Kernels } from '../../kernels.ts';
import { axes, chunksOf, int, LARGEST_VARIABLE, product, quotient, sumOf } from '../axes.ts';
import { MOST_BUFFERS } from '../launcher.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import { operand } from './elementwise.ts';

export function movementKernels(run: Recorder): Pick<Kernels, 'stridedCopy'> {
  return {
    stridedCopy({ x, xOffset, xStrides, out, outOffset, outStrides, shape }) {
      const count = product(shape);
      if (count === 0) return;
      const source = run.value(x);
      const integer = run.isInteger(x);
      const dense = stridesOf(shape);
      const isDense = (strides: readonly number[]): boolean =>
        shape.every((size, axis) => size === 1 || strides[axis] === dense[axis]);

      if (count === out.elements && isDense(outStrides)) {
        if (isDense(xStrides)) {
          run.store(out, run.part(source, xOffset, count), integer);
          return;
        }
        const from = operand(x, shape, xStrides, xOffset);
        run.define(out, `copy ${from.key}`, [from], ([element]) => element!, { integer });
        return;
      }

      // Every element of the result looks whether the box reaches it: its place along each axis, from the largest stride on.
      const old = run.isWritten(out) ? { old: run.value(out) } : {};
      const order = shape.map((_, axis) => axis).filter((axis) => shape[axis]! > 1);
      order.sort((p, q) => outStrides[q]! - outStrides[p]!);
      const { extents, at } = axes(out.elements);
      const value = run.launch({
        key: `copy into ${out.elements} ${outStrides.join()} ${outOffset} ${shape.join()} ${xStrides.join()} ${xOffset} ${old.old !== undefined}`,
        extents,
        buffers: { x: source, ...old },
        body: () => {
          const outside = old.old === undefined ? 'return 0.0;' : `return old[${at[0]!}];`;
          const lines = [`if (${at[0]!} < ${outOffset}) { ${outside} }`];
          let rest = `(${at[0]!} - ${outOffset})`;
          let bound = out.elements;
          const terms: string[] = [];
          for (const axis of order) {
            const stride = outStrides[axis]!;
            let place = quotient(rest, stride, bound);
            if (bound / stride < LARGEST_VARIABLE) {
              lines.push(`const at${axis} = ${place};`);
              place = int(`at${axis}`);
            }
            lines.push(`if (${place} >= ${shape[axis]!}) { ${outside} }`);
            if (xStrides[axis] !== 0) terms.push(`${place} * ${xStrides[axis]!}`);
            rest = `(${rest} - ${place} * ${stride})`;
            bound = stride;
          }
          if (bound > 1) lines.push(`if (${rest} > 0) { ${outside} }`);
          if (xOffset > 0) terms.push(`${xOffset}`);
          return `${lines.join('\n')}\nreturn x[${terms.length > 0 ? terms.join(' + ') : '0'}];`;
        },
      });
      run.store(out, value, integer);
    },
  };
}

/** Values one after the other: seven a launch. */
export function join(run: Recorder, values: readonly Value[]): Value {
  if (values.length === 1) return values[0]!;
  const joined = chunksOf(values, MOST_BUFFERS).map((taken) => {
    if (taken.length === 1) return taken[0]!;
    const lengths = taken.map(({ elements }) => elements);
    return run.launch({
      key: 'join',
      extents: [sumOf(lengths)],
      buffers: Object.fromEntries(taken.map((value, i) => [`x${i}`, value])),
      integers: Object.fromEntries(lengths.map((_, i) => [`end${i}`, sumOf(lengths.slice(0, i + 1))])),
      body: () => {
        const lines = taken.map((_, i) => {
          const line = `return x${i}[this.thread.x${i === 0 ? '' : ` - end${i - 1}`}];`;
          return i === taken.length - 1 ? line : `if (this.thread.x < end${i}) { ${line} }`;
        });
        return lines.join('\n');
      },
    });
  });
  return join(run, joined);
}
