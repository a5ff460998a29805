/**
 * Reductions. A thread runs over at most some hundred elements, in four lanes; longer axes are cut into parts, whose results are
 * reduced again. So sums stay accurate, their order is fixed, and there are threads enough for a long axis alone.
 */
import type { Kernels, ReduceOp } from '../../kernels.ts';
import { axes, indexOf, int, isNaNText } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';

/** The most elements that one thread adds up. */
const LONGEST = 256;

const IDENTITY: Record<ReduceOp, number> = {
  sum: 0,
  max: Number.NEGATIVE_INFINITY,
  min: Number.POSITIVE_INFINITY,
};

/** `best` with the element `value` taken in; NaN stays. */
const STEP: Record<ReduceOp, (best: string, value: string) => string> = {
  sum: (best, value) => `${best} = ${best} + ${value};`,
  max: (best, value) => `if (${value} > ${best} || ${isNaNText(value)}) { ${best} = ${value}; }`,
  min: (best, value) => `if (${value} < ${best} || ${isNaNText(value)}) { ${best} = ${value}; }`,
};

export interface Reduction {
  readonly op: ReduceOp;
  /** Extents around and along the reduced axis: the result is `[outer, inner]`. */
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
  /** Names what is reduced, with the numbers baked into `element`. */
  readonly key: string;
  readonly buffers: Readonly<Record<string, Value>>;
  readonly numbers?: Readonly<Record<string, number>>;
  /** The expression of one element, from integer expressions of its place. */
  readonly element: (outer: string, along: string, inner: string) => string;
  /** What the last launch makes of the result, an expression in `total` and the numbers; may use `finishBuffers`. */
  readonly finish?: string;
}

/** Reduces what `element` computes, so that no array of it need exist. */
export function reduceElements(run: Recorder, reduction: Reduction): Value {
  const { op, outer, length, inner, key, buffers, numbers = {}, element, finish = 'total' } = reduction;
  const parts = length > LONGEST ? Math.ceil(length / LONGEST) : 1;
  // Parts are interleaved when the axis is the innermost: neighbouring threads then read neighbouring elements.
  const perThread = Math.ceil(length / parts);
  const { extents, at } = axes(inner, parts, outer);
  const last = parts === 1;
  const value = run.launch({
    key: `reduce ${op} ${outer} ${length} ${inner} ${last ? finish : ''} ${key}`,
    extents,
    buffers,
    numbers: { ...numbers, identity: IDENTITY[op] },
    body: () => {
      const [i, part, o] = [at[0]!, at[1]!, at[2]!];
      const place = (round: string): string => {
        if (parts === 1) return round;
        return inner === 1 ? `(${round} * ${parts} + ${part})` : `(${part} * ${perThread} + ${round})`;
      };
      return loop(op, perThread, finish === 'total' || !last ? 'total' : finish, (round) => ({
        guard: perThread * parts > length ? `${place(round)} < ${length}` : null,
        value: element(o, place(round), i),
      }));
    },
  });
  if (last) return value;
  return reduceElements(run, {
    ...reduction,
    length: parts,
    key: 'parts',
    buffers: { x: value },
    element: (o, p, i) => `x[${indexOf([i, p, o], [1, inner, inner * parts])}]`,
  });
}

/** A loop of `rounds` in four lanes that are reduced together at the end. */
function loop(
  op: ReduceOp,
  rounds: number,
  finish: string,
  element: (round: string) => { guard: string | null; value: string },
): string {
  const lanes = Math.min(4, Math.max(1, rounds));
  const whole = Math.floor(rounds / lanes);
  const names = Array.from({ length: lanes }, (_, lane) => `lane${lane}`);
  const take = (lane: number, round: string): string => {
    const { guard, value } = element(round);
    const step = `const v${lane} = ${value};\n${STEP[op](names[lane]!, `v${lane}`)}`;
    return guard === null ? step : `if (${guard}) { ${step} }`;
  };
  const lines = names.map((name) => `let ${name} = identity;`);
  const rest = Array.from({ length: rounds - whole * lanes }, (_, lane) => take(lane, `${whole * lanes + lane}`));
  if (whole > 0) {
    const inLoop = names.map((_, lane) => take(lane, `(${int('round')} * ${lanes} + ${lane})`));
    lines.push(`for (let round = 0; round < ${whole}; round++) {\n${inLoop.join('\n')}\n}`);
  }
  lines.push(...rest);
  for (let width = lanes; width > 1; width = Math.ceil(width / 2)) {
    const half = Math.ceil(width / 2);
    for (let lane = half; lane < width; lane++) lines.push(STEP[op](names[lane - half]!, names[lane]!));
  }
  lines.push(`const total = lane0;`, `return ${finish};`);
  return lines.join('\n');
}

export function reduceKernels(run: Recorder): Pick<Kernels, 'reduce' | 'sumOfSquares'> {
  return {
    reduce({ op, x, out, outer, length, inner }) {
      if (out.elements === 0) return;
      if (length === 0) {
        run.store(out, run.constant(out.elements, IDENTITY[op]));
        return;
      }
      const value = reduceElements(run, {
        op,
        outer,
        length,
        inner,
        key: 'x',
        buffers: { x: run.value(x) },
        element: (o, along, i) => `x[${indexOf([i, along, o], [1, inner, inner * length])}]`,
      });
      run.store(out, value);
    },

    sumOfSquares({ xs, out }) {
      const sums = xs.flatMap(({ x, count }) => {
        if (count === 0) return [];
        return [
          reduceElements(run, {
            op: 'sum',
            outer: 1,
            length: count,
            inner: 1,
            key: 'squares',
            buffers: { x: run.value(x) },
            element: (_, along) => `x[${along}] * x[${along}]`,
          }),
        ];
      });
      run.store(out, sums.length === 0 ? run.constant(1, 0) : total(run, sums));
    },
  };
}

/** The sum of values of one element each, six at a time. */
function total(run: Recorder, values: readonly Value[]): Value {
  const [first, ...rest] = values;
  if (rest.length === 0) return first!;
  const taken = values.slice(0, 7);
  const names = taken.map((_, i) => `x${i}`);
  const sum = run.launch({
    key: `total of ${taken.length}`,
    extents: [1],
    buffers: Object.fromEntries(taken.map((value, i) => [names[i]!, value])),
    body: () => `return ${names.map((name) => `${name}[0]`).join(' + ')};`,
  });
  return total(run, [sum, ...values.slice(7)]);
}
