/**
 * Sorting by segments, and sums over segments. Threads can neither add atomically nor write where they like, so everything is a
 * gather: each place of the result searches for what belongs there. Hence all results are deterministic.
 */
import type { Kernels } from '../../kernels.ts';
import { axes, indexOf, int, LARGEST_VARIABLE, quotient } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import { dividedIndex } from './rows.ts';

/** Digits of the radix sort: one pass sorts this many segments. */
const RADIX = 512;

/** Keys that one thread of a pass looks through. */
const BLOCK = 256;

export function segmentKernels(run: Recorder): Pick<Kernels, 'segmentPlan' | 'segmentSum'> {
  return {
    segmentPlan({ keys: keysBuffer, counts, offsets, order, inverse, count, segments }) {
      if (count === 0) {
        if (segments > 0) run.store(counts, run.constant(segments, 0), true);
        run.store(offsets, run.constant(segments + 1, 0), true);
        return;
      }
      if (Math.max(count, segments) > LARGEST_VARIABLE) {
        throw new RangeError(
          `segmentPlan: ${count} keys in ${segments} segments; the gpu device sorts up to 2^24, since it keeps i32 as f32. Use the wasm device`,
        );
      }
      const keys = run.value(keysBuffer);
      let sorted: Value | null = null;
      for (let unit = 1; unit === 1 || unit < segments; unit *= RADIX) {
        sorted = sortByDigit(run, keys, sorted, count, unit, Math.min(RADIX, Math.ceil(segments / unit)));
      }
      const plan = { keys, sorted: sorted! };
      // Offsets count the keys below: a search in the sorted keys.
      const starts = run.launch({
        key: `segment offsets ${count}`,
        extents: axes(segments + 1).extents,
        buffers: plan,
        body: () =>
          lowerBound(count, (place) => `keys[${int(`sorted[${place}]`)}] < this.thread.x`, '0') + 'return low;',
      });
      const sizes = run.launch({
        key: 'segment counts',
        extents: axes(segments).extents,
        buffers: { starts },
        body: () => 'return starts[this.thread.x + 1] - starts[this.thread.x];',
      });
      // Inside a segment, sorted indices ascend.
      const places = run.launch({
        key: `segment places ${count}`,
        extents: axes(count).extents,
        buffers: { ...plan, starts },
        body: () => `const key = keys[this.thread.x];
          const end = starts[${int('key')} + 1];
          ${lowerBound(count, (place) => `${place} < end && sorted[${place}] < this.thread.x`, `starts[${int('key')}]`)}
          return low;`,
      });
      run.store(order, sorted!, true);
      run.store(offsets, starts, true);
      run.store(counts, sizes, true);
      run.store(inverse, places, true);
    },

    segmentSum({ x, order, offsets, divisor, out, segments, columns }) {
      if (out.elements === 0) return;
      if (order.elements === 0) {
        run.store(out, run.constant(out.elements, 0));
        return;
      }
      const { extents, at } = axes(columns, segments);
      const value = run.launch({
        key: `segmentSum ${order.elements} ${divisor} ${columns} ${at.join()}`,
        extents,
        buffers: { x: run.value(x), order: run.value(order), offsets: run.value(offsets) },
        body: () => {
          const row = dividedIndex(`order[${int('first')} + ${int('round')}]`, divisor);
          return `const first = offsets[${at[1]!}];
            const size = offsets[${at[1]!} + 1] - first;
            let sum = 0.0;
            for (let round = 0; round < ${order.elements}; round++) {
              if (${int('round')} >= size) { break; }
              sum = sum + x[${indexOf([row, at[0]!], [columns, 1])}];
            }
            return sum;`;
        },
      });
      run.store(out, value);
    },
  };
}

/**
 * Statements that set `low` to the first place at or after `start` where `isBelow` fails; below `start + size` places it holds first,
 * then fails. Halving steps with a constant number of rounds.
 */
function lowerBound(size: number, isBelow: (place: string) => string, start: string): string {
  const lines = [`let low = ${start === '0' ? '0.0' : start};`];
  for (let step = 2 ** Math.floor(Math.log2(size)); step >= 1; step /= 2) {
    const place = `(${int('low')} + ${step - 1})`;
    lines.push(`if (${place} < ${size}) { if (${isBelow(place)}) { low = low + ${step}; } }`);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * One pass of a stable radix sort: `order` (null: as given) rearranged by the digit `floor(key / unit) mod RADIX`, below `digits`. Counts of each
 * digit in each block of keys, laid out digit by digit and summed up, say where each block's share of a digit begins; each
 * sorted place then finds its digit and block by bisection and its key by a look through the block.
 */
function sortByDigit(
  run: Recorder,
  keys: Value,
  order: Value | null,
  count: number,
  unit: number,
  digits: number,
): Value {
  const blocks = Math.ceil(count / BLOCK);
  const buffers = { keys, ...(order !== null && { order }) };
  const index = (place: string): string => (order === null ? place : int(`order[${place}]`));
  const digit = (place: string): string => {
    const above = dividedIndex(`keys[${index(place)}]`, unit);
    return digits === RADIX ? `(${above} & ${RADIX - 1})` : above;
  };
  const key = `${unit} ${digits} ${count} ${order !== null}`;
  const histogram = axes(blocks, digits);
  const shares = run.launch({
    key: `digit counts ${key} ${histogram.at.join()}`,
    extents: histogram.extents,
    buffers,
    body: () => {
      const [block, wanted] = [histogram.at[0]!, histogram.at[1]!];
      const place = `(${indexOf([block], [BLOCK])} + ${int('i')})`;
      return `let found = 0.0;
        for (let i = 0; i < ${Math.min(BLOCK, count)}; i++) {
          if (${place} >= ${count}) { break; }
          const own = ${digit(place)};
          if (own === ${wanted}) { found = found + 1; }
        }
        return found;`;
    },
  });
  const cells = blocks * digits;
  const ends = runningSum(run, shares, cells);
  const { extents, at } = axes(count);
  return run.launch({
    key: `by digit ${key}`,
    extents,
    buffers: { ...buffers, ends },
    body: () => {
      const target = at[0]!;
      const place = `(${int('begin')} + ${int('i')})`;
      return `${lowerBound(cells, (cell) => `ends[${cell}] <= ${target}`, '0')}
        const wanted = ${quotient(int('low'), blocks, cells)};
        const begin = (${int('low')} - ${int('wanted')} * ${blocks}) * ${BLOCK};
        let rank = ${target};
        if (low > 0.5) { rank = rank - ends[${int('low')} - 1]; }
        let found = 0.0;
        for (let i = 0; i < ${Math.min(BLOCK, count)}; i++) {
          if (${place} >= ${count}) { break; }
          const own = ${digit(place)};
          if (own === wanted) {
            if (rank < 0.5) { found = ${index(place)}; break; }
            rank = rank - 1;
          }
        }
        return found;`;
    },
  });
}

/** Inclusive running sums of whole numbers: inside chunks, of the chunks, and both together. */
function runningSum(run: Recorder, x: Value, length: number): Value {
  const chunk = Math.ceil(Math.sqrt(length));
  const chunks = Math.ceil(length / chunk);
  const sumUpTo = (rounds: number, begin: string, end: string, source: string): string => `
    for (let i = 0; i < ${rounds}; i++) {
      if (${begin} + ${int('i')} >= ${end}) { break; }
      sum = sum + ${source}[${begin} + ${int('i')}];
    }`;
  const totals = run.launch({
    key: `chunk sums ${length}`,
    extents: axes(chunks).extents,
    buffers: { x },
    body: () => `let sum = 0.0;
      const begin = this.thread.x * ${chunk};
      ${sumUpTo(chunk, int('begin'), `${length}`, 'x')}
      return sum;`,
  });
  const before = run.launch({
    key: `sums before chunks ${chunks}`,
    extents: axes(chunks).extents,
    buffers: { totals },
    body: () => `let sum = 0.0;
      ${sumUpTo(chunks, '0', 'this.thread.x', 'totals')}
      return sum;`,
  });
  return run.launch({
    key: `running sums ${length}`,
    extents: axes(length).extents,
    buffers: { x, before },
    body: () => `const own = ${quotient('this.thread.x', chunk, length)};
      let sum = before[${int('own')}];
      const begin = ${int('own')} * ${chunk};
      ${sumUpTo(chunk, int('begin'), 'this.thread.x + 1', 'x')}
      return sum;`,
  });
}
