/** Strided copies. A copy of neighbours is free: the buffer then holds a part of the other's value. */
import { stridesOf } from '../../../shape.ts';
import type { MovementKernels } from '../../kernels/movement.ts';
import { chunksOf, indexOf, product, quotient, sumOf } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Expression } from '../recipe.ts';
import type { Value } from '../value.ts';
import { operand } from './elementwise.ts';

export function movementKernels(run: Recorder): MovementKernels {
  return {
    stridedCopy({ x, xOffset, xStrides, out, outOffset, outStrides, shape }) {
      const count = product(shape);
      if (count === 0) return;
      const integer = run.isInteger(x);
      const dense = stridesOf(shape);
      const isDense = (strides: readonly number[]): boolean =>
        shape.every((size, axis) => size === 1 || strides[axis] === dense[axis]);

      if (count === out.elements && isDense(outStrides)) {
        if (isDense(xStrides)) {
          run.store(out, run.part(run.value(x), xOffset, count), integer);
          return;
        }
        const from = operand(x, shape, xStrides, xOffset);
        run.define(out, `copy ${from.key}`, [from], ([element]) => element!, { integer });
        return;
      }

      // Every element of the result looks whether the box reaches it: its place along each axis, from the largest
      // stride on.
      const order = shape.map((_, axis) => axis).filter((axis) => shape[axis]! > 1);
      order.sort((p, q) => outStrides[q]! - outStrides[p]!);
      const placesIn = (place: string): { axes: string[]; rest: string; bound: number } => {
        let rest = `(${place} - ${outOffset})`;
        let bound = out.elements;
        const axes = order.map((axis) => {
          const at = quotient(rest, outStrides[axis]!);
          rest = `(${rest} - ${at} * ${outStrides[axis]!})`;
          bound = outStrides[axis]!;
          return at;
        });
        return { axes, rest, bound };
      };
      const inside = (place: string): string => {
        const { axes, rest, bound } = placesIn(place);
        const conditions = axes.map((at, i) => `${at} < ${shape[order[i]!]!}`);
        if (bound > 1) conditions.push(`${rest} < 1`);
        return [`${place} >= ${outOffset}`, ...conditions].join(' && ');
      };
      const strides = order.map((axis) => xStrides[axis]!);
      const copied = { buffer: x, placeOf: (place: string) => indexOf(placesIn(place).axes, strides, xOffset) };
      const box = [outStrides, outOffset, shape, xStrides, xOffset].join(':');
      const operands = run.isWritten(out) ? [copied, { buffer: out }] : [copied];
      const choose: Expression = ([element, old = '0.0'], _, place) => `(${inside(place)}) ? ${element!} : ${old}`;
      run.define(out, `into ${out.elements} ${operands.length} ${box}`, operands, choose, { integer });
    },
  };
}

/** Values one after the other. */
export function join(run: Recorder, values: readonly Value[]): Value {
  if (values.length === 1) return values[0]!;
  const joined = chunksOf(values, run.mostBuffers).map((taken) => {
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
