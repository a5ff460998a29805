/**
 * Reductions. A thread runs over at most some hundred elements, in four lanes; longer axes are cut into parts, whose
 * results are reduced again. So sums stay accurate, their order is fixed, and there are threads enough for a long axis
 * alone.
 */
import type { DeviceBuffer } from '../../device.ts';
import type { ReduceKernels, ReduceOp } from '../../kernels/reduce.ts';
import { axes, chunksOf, indexOf, int, isNaNText, sumOf } from '../axes.ts';
import type { Launch } from '../launch.ts';
import { argumentsOf, declarations } from '../recipe.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import { join } from './movement.ts';

/** The most elements that one thread adds up. */
export const LONGEST = 256;

/** Threads that are enough to keep a GPU's memory busy: sums over several arrays take no more. */
const MOST_THREADS = 16_384;

const IDENTITY: Record<ReduceOp, number> = {
  sum: 0,
  max: Number.NEGATIVE_INFINITY,
  min: Number.POSITIVE_INFINITY,
};

/** `best` with the element `value` taken in; NaN stays. */
const STEP: Record<ReduceOp, (best: string, value: string) => string> = {
  sum: (best, value) => `${best} = ${best} + ${value};`,
  max: (best, value) => extreme(best, value, '>'),
  min: (best, value) => extreme(best, value, '<'),
};

/** Tests of bits on both sides: a compiler that knows of no NaN would make a `max` of the comparison alone. */
function extreme(best: string, value: string, than: string): string {
  return `if (${isNaNText(value)} || (!(${isNaNText(best)}) && ${value} ${than} ${best})) { ${best} = ${value}; }`;
}

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
  readonly indices?: Launch['indices'];
  /** The expression of one element, from integer expressions of its place. */
  readonly element: (outer: string, along: string, inner: string, declare: (text: string) => string) => string;
  /** What the last launch makes of the result, an expression in `total` and the numbers; may use `finishBuffers`. */
  readonly finish?: string;
}

/** Reduces what `element` computes, so that no array of it need exist. */
export function reduceElements(run: Recorder, reduction: Reduction): Value {
  const { op, outer, length, inner, key, buffers, numbers = {}, indices = {}, element, finish = 'total' } = reduction;
  const parts = length > LONGEST ? Math.ceil(length / LONGEST) : 1;
  // Parts are interleaved when the axis is the innermost: neighbouring threads then read neighbouring elements.
  const perThread = Math.ceil(length / parts);
  const { extents, at } = axes(inner, parts, outer);
  const last = parts === 1;
  const value = run.launch({
    key: `reduce ${op} ${outer} ${length} ${inner} ${last ? finish : ''} ${key}`,
    extents,
    buffers,
    indices,
    numbers: { ...numbers, identity: IDENTITY[op] },
    body: () => {
      const [i, part, o] = [at[0]!, at[1]!, at[2]!];
      const place = (round: string): string => {
        if (parts === 1) return round;
        return inner === 1 ? `(${round} * ${parts} + ${part})` : `(${part} * ${perThread} + ${round})`;
      };
      let calls = 0;
      const text = reduceLoop(op, perThread, 'total', 'identity', (round) => {
        const { lines, declare } = declarations(`call${calls++}Value`);
        const value = element(o, place(round), i, declare);
        return { guard: perThread * parts > length ? `${place(round)} < ${length}` : null, value, before: lines };
      });
      return `${text}\nreturn ${last ? finish : 'total'};`;
    },
  });
  if (last) return value;
  return reduceElements(run, {
    ...reduction,
    length: parts,
    key: 'parts',
    buffers: { x: value },
    indices: {},
    element: (o, p, i) => `x[${indexOf([i, p, o], [1, inner, inner * parts])}]`,
  });
}

/**
 * Statements that leave the variable `name` holding what `rounds` elements reduce to, in four lanes that are reduced
 * together at the end. `identity` is the number to begin with.
 */
export function reduceLoop(
  op: ReduceOp,
  rounds: number,
  name: string,
  identity: string,
  element: (round: string) => { guard: string | null; value: string; before?: readonly string[] },
): string {
  const lanes = Math.min(4, Math.max(1, rounds));
  const whole = Math.floor(rounds / lanes);
  const names = Array.from({ length: lanes }, (_, lane) => `${name}Lane${lane}`);
  const take = (lane: number, round: string): string => {
    const { guard, value, before = [] } = element(round);
    const step = `${before.join('\n')}
      const ${name}Next${lane} = ${value};\n${STEP[op](names[lane]!, `${name}Next${lane}`)}`;
    return guard === null ? step : `if (${guard}) { ${step} }`;
  };
  const lines = names.map((lane) => `let ${lane} = ${identity};`);
  const rest = Array.from({ length: rounds - whole * lanes }, (_, lane) => take(lane, `${whole * lanes + lane}`));
  if (whole > 0) {
    const round = `${name}Round`;
    const inLoop = names.map((_, lane) => take(lane, `(${int(round)} * ${lanes} + ${lane})`));
    lines.push(`for (let ${round} = 0; ${round} < ${whole}; ${round}++) {\n${inLoop.join('\n')}\n}`);
  }
  lines.push(...rest);
  for (let width = lanes; width > 1; width = Math.ceil(width / 2)) {
    const half = Math.ceil(width / 2);
    for (let lane = half; lane < width; lane++) lines.push(STEP[op](names[lane - half]!, names[lane]!));
  }
  lines.push(`const ${name} = ${names[0]!};`);
  return lines.join('\n');
}

export function reduceKernels(run: Recorder): ReduceKernels {
  return {
    reduce({ op, x, out, outer, length, inner }) {
      if (out.elements === 0) return;
      if (length === 0) {
        run.store(out, run.constant(out.elements, IDENTITY[op]));
        return;
      }
      // Extremes are looked for in the numbers that others will see: computed twice, they might be rounded differently.
      const recipe = op === 'sum' ? run.recipe(x) : run.computed(x);
      const { buffers, numbers, element } = argumentsOf(recipe);
      const value = reduceElements(run, {
        ...{ op, outer, length, inner, buffers, numbers },
        key: recipe.key,
        element: (o, along, i, declare) => element(`(${indexOf([i, along, o], [1, inner, inner * length])})`, declare),
      });
      run.store(out, value);
    },

    sumOfSquares({ xs, out }) {
      const written = xs.filter(({ count }) => count > 0).map(({ x }) => x);
      const values = written.map((x) => run.value(x));
      if (values.length === 0) run.store(out, run.constant(1, 0));
      else if (values.length <= run.mostBuffers) run.store(out, total(run, values, true));
      else run.store(out, total(run, sideBySide(run, written, values), true));
    },
  };
}

/**
 * Has buffers hold the same numbers as parts of a few blocks, in their order, and gives the blocks: whoever reads all
 * of them, as the optimiser does next, then binds few.
 */
function sideBySide(run: Recorder, buffers: readonly DeviceBuffer[], values: readonly Value[]): Value[] {
  const blocks: Value[] = [];
  for (let first = 0, end = 0; first < values.length; first = end) {
    let elements = 0;
    const fits = (value: Value): boolean =>
      end - first < run.mostBuffers && elements + value.elements <= run.largestBlock;
    while (end < values.length && (end === first || fits(values[end]!))) elements += values[end++]!.elements;
    const block = join(run, values.slice(first, end));
    let start = 0;
    for (let i = first; i < end; i++) {
      const buffer = buffers[i]!;
      run.store(buffer, run.part(block, start, buffer.elements));
      start += buffer.elements;
    }
    blocks.push(block);
  }
  return blocks;
}

/** The sum of all elements of all values, or of their squares: a launch takes as many values as it can read. */
function total(run: Recorder, values: readonly Value[], squares: boolean): Value {
  const sums = chunksOf(values, run.mostBuffers).map((taken) => {
    const counts = taken.map(({ elements }) => elements);
    const threads = Math.min(MOST_THREADS, Math.ceil(sumOf(counts) / LONGEST));
    return run.launch({
      key: `total ${counts.join()} ${squares}`,
      extents: [threads],
      buffers: Object.fromEntries(taken.map((value, i) => [`x${i}`, value])),
      body: () => {
        const sumsOf = counts.map((count, i) => {
          const rounds = Math.ceil(count / threads);
          return reduceLoop('sum', rounds, `sum${i}`, '0.0', (round) => {
            const place = threads === 1 ? round : `(${round} * ${threads} + this.thread.x)`;
            const element = `x${i}[${place}]`;
            return {
              guard: rounds * threads > count ? `${place} < ${count}` : null,
              value: squares ? `${element} * ${element}` : element,
            };
          });
        });
        return `${sumsOf.join('\n')}\nreturn ${counts.map((_, i) => `sum${i}`).join(' + ')};`;
      },
    });
  });
  return sums.length === 1 && sums[0]!.elements === 1 ? sums[0]! : total(run, sums, false);
}
