/**
 * Sorting by segments, and sums over segments. Threads can neither add atomically nor write where they like, so
 * everything is a gather: each place of the result searches for what belongs there. Hence all results are
 * deterministic.
 */
import type { SegmentKernels } from '../../kernels/segments.ts';
import { axes, dividedIndex, indexOf, int, LARGEST_VARIABLE, quotient } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';

/** Digits of the radix sort: one pass sorts this many segments. */
const RADIX = 512;

/** Up to so many numbers, a thread adds up all before its own: that takes less than a launch. */
const SHORT_SUM = 1024;

/** Keys that one thread of a pass looks through. */
const BLOCK = 256;

export function segmentKernels(run: Recorder): SegmentKernels {
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
      const plan =
        segments <= RADIX ? planOfDigits(run, keys, count, segments) : planOfKeys(run, keys, count, segments);
      run.store(order, plan.order, true);
      run.store(inverse, plan.inverse, true);
      run.store(offsets, plan.offsets, true);
      run.store(counts, plan.counts, true);
    },

    segmentSum({ x, height, order, offsets, divisor, out, segments, columns }) {
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
        indices: { order: { kernel: 'SEGMENT_SUM', what: 'index', count: height, things: 'rows or places', divisor } },
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
 * Statements that set `low` to the first place at or after `start` where `isBelow` fails; below `start + size` places
 * it holds first, then fails. Halving steps with a constant number of rounds.
 */
function lowerBound(size: number, isBelow: (place: string) => string, start: string): string {
  const lines = [`let low = ${start === '0' ? '0.0' : start};`];
  for (let step = 2 ** Math.floor(Math.log2(size)); step >= 1; step /= 2) {
    const place = `(${int('low')} + ${step - 1})`;
    lines.push(`if (${place} < ${size}) { if (${isBelow(place)}) { low = low + ${step}; } }`);
  }
  return `${lines.join('\n')}\n`;
}

interface Plan {
  readonly order: Value;
  readonly inverse: Value;
  readonly offsets: Value;
  readonly counts: Value;
}

/** Where the keys are digits: all of the plan follows from where each block's share of each digit ends. */
function planOfDigits(run: Recorder, keys: Value, count: number, segments: number): Plan {
  const digits: Digits = { keys, order: null, count, unit: 1, digits: segments };
  const { blocks, ends } = shareEnds(run, digits, segments);
  const end = (cell: string): string => `ends[${cell}]`;
  const [order, inverse, offsets, counts] = run.launchSections({
    key: `segment plan ${count} ${segments}`,
    buffers: { keys, ends },
    sections: [
      { sizes: [count], body: ([target]) => sortedIndex(digits, blocks, target!) },
      {
        // The place of a key: behind the earlier shares, and the keys of its block that are equal and before it.
        sizes: [count],
        body: ([own]) => `const key = keys[${own!}];
          const block = ${quotient(own!, BLOCK)};
          const cell = ${int('key')} * ${blocks} + ${int('block')};
          let place = 0.0;
          if (cell > 0.5) { place = ${end(`${int('cell')} - 1`)}; }
          for (let i = 0; i < ${Math.min(BLOCK, count)}; i++) {
            const other = ${int('block')} * ${BLOCK} + ${int('i')};
            if (other >= ${own!}) { break; }
            if (keys[${int('other')}] === key) { place = place + 1; }
          }
          return place;`,
      },
      {
        sizes: [segments + 1],
        body: ([segment]) => `if (${segment!} < 1) { return 0.0; }
          return ${end(`${segment!} * ${blocks} - 1`)};`,
      },
      {
        sizes: [segments],
        body: ([segment]) => `const last = ${end(`${segment!} * ${blocks} + ${blocks - 1}`)};
          if (${segment!} < 1) { return last; }
          return last - ${end(`${segment!} * ${blocks} - 1`)};`,
      },
    ],
  });
  return { order: order!, inverse: inverse!, offsets: offsets!, counts: counts! };
}

/** Where keys have several digits: sorted one by one; the rest is searched for in the sorted keys. */
function planOfKeys(run: Recorder, keys: Value, count: number, segments: number): Plan {
  let sorted: Value | null = null;
  for (let unit = 1; unit < segments; unit *= RADIX) {
    const digits: Digits = { keys, order: sorted, count, unit, digits: Math.min(RADIX, Math.ceil(segments / unit)) };
    const { blocks, ends } = shareEnds(run, digits, segments);
    sorted = run.launch({
      key: `by digit ${keyOf(digits)}`,
      extents: axes(count).extents,
      buffers: { ...digitBuffers(digits), ends },
      body: () => sortedIndex(digits, blocks, 'this.thread.x'),
    });
  }
  const order = sorted!;
  const below = (segment: string): string =>
    lowerBound(count, (place) => `keys[${int(`order[${place}]`)}] < ${segment}`, '0');
  const [offsets, counts] = run.launchSections({
    key: `segment offsets ${count} ${segments}`,
    buffers: { keys, order },
    sections: [
      { sizes: [segments + 1], body: ([segment]) => `${below(segment!)} return low;` },
      {
        sizes: [segments],
        body: ([segment]) => `${below(segment!)}
          const first = low;
          ${below(`${segment!} + 1`).replace('let low', 'low')}
          return low - first;`,
      },
    ],
  });
  // Inside a segment, sorted indices ascend.
  const inverse = run.launch({
    key: `segment places ${count}`,
    extents: axes(count).extents,
    buffers: { keys, order, starts: offsets! },
    body: () => `const key = keys[this.thread.x];
      const end = starts[${int('key')} + 1];
      ${lowerBound(count, (place) => `${place} < end && order[${place}] < this.thread.x`, `starts[${int('key')}]`)}
      return low;`,
  });
  return { order, inverse, offsets: offsets!, counts: counts! };
}

/**
 * A digit of the keys, `floor(key / unit) mod RADIX` and below `digits`, taken in the given order (null: as they are).
 */
interface Digits {
  readonly keys: Value;
  readonly order: Value | null;
  readonly count: number;
  readonly unit: number;
  readonly digits: number;
}

function keyOf({ count, unit, digits, order }: Digits): string {
  return `${unit} ${digits} ${count} ${order !== null}`;
}

function digitBuffers({ keys, order }: Digits): Record<string, Value> {
  return { keys, ...(order !== null && { order }) };
}

function indexAt({ order }: Digits, place: string): string {
  return order === null ? place : int(`order[${place}]`);
}

function digitAt(of: Digits, place: string): string {
  const above = dividedIndex(`keys[${indexAt(of, place)}]`, of.unit);
  return of.digits === RADIX ? `(${above} & ${RADIX - 1})` : above;
}

/**
 * Where the share of each block of keys in each digit ends among the sorted: how often the digit is in the block, laid
 * out digit by digit and summed up.
 */
function shareEnds(run: Recorder, of: Digits, segments: number): { blocks: number; ends: Value } {
  const { count, digits, order } = of;
  const blocks = Math.ceil(count / BLOCK);
  const { extents, at } = axes(blocks, digits);
  const shares = run.launch({
    key: `digit counts ${keyOf(of)} ${at.join()}`,
    extents,
    buffers: digitBuffers(of),
    // Once is enough: in the first pass.
    indices:
      order === null ? { keys: { kernel: 'SEGMENT_PLAN', what: 'key', count: segments, things: 'segments' } } : {},
    body: () => {
      const [block, wanted] = [at[0]!, at[1]!];
      const place = `(${indexOf([block], [BLOCK])} + ${int('i')})`;
      return `let found = 0.0;
        for (let i = 0; i < ${Math.min(BLOCK, count)}; i++) {
          if (${place} >= ${count}) { break; }
          const own = ${digitAt(of, place)};
          if (own === ${wanted}) { found = found + 1; }
        }
        return found;`;
    },
  });
  return { blocks, ends: runningSum(run, shares, blocks * digits) };
}

/**
 * Statements that return which key is at a place of the stable order by digit: digit and block are found by bisection
 * of the shares' `ends`, the key by a look through the block.
 */
function sortedIndex(of: Digits, blocks: number, target: string): string {
  const { count, digits } = of;
  const cells = blocks * digits;
  const place = `(${int('begin')} + ${int('i')})`;
  return `${lowerBound(cells, (cell) => `ends[${cell}] <= ${target}`, '0')}
    const wanted = ${quotient(int('low'), blocks)};
    const begin = (${int('low')} - ${int('wanted')} * ${blocks}) * ${BLOCK};
    let rank = ${target};
    if (low > 0.5) { rank = rank - ends[${int('low')} - 1]; }
    let found = 0.0;
    for (let i = 0; i < ${Math.min(BLOCK, count)}; i++) {
      if (${place} >= ${count}) { break; }
      const own = ${digitAt(of, place)};
      if (own === wanted) {
        if (rank < 0.5) { found = ${indexAt(of, place)}; break; }
        rank = rank - 1;
      }
    }
    return found;`;
}

/**
 * Inclusive running sums of whole numbers; of many: the sums of chunks, then for each place those of the chunks before
 * it and its own up to it.
 */
function runningSum(run: Recorder, x: Value, length: number): Value {
  if (length <= SHORT_SUM) {
    return run.launch({
      key: `short running sums ${length}`,
      extents: [length],
      buffers: { x },
      body: () => `let sum = 0.0;
        for (let i = 0; i < ${length}; i++) {
          if (${int('i')} > this.thread.x) { break; }
          sum = sum + x[${int('i')}];
        }
        return sum;`,
    });
  }
  const chunk = Math.ceil(Math.sqrt(length));
  const chunks = Math.ceil(length / chunk);
  const add = (rounds: number, begin: string, end: string, source: string): string => `
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
      ${add(chunk, int('begin'), `${length}`, 'x')}
      return sum;`,
  });
  return run.launch({
    key: `running sums ${length}`,
    extents: axes(length).extents,
    buffers: { x, totals },
    body: () => `const own = ${quotient('this.thread.x', chunk)};
      let sum = 0.0;
      ${add(chunks, '0', int('own'), 'totals')}
      const begin = ${int('own')} * ${chunk};
      ${add(chunk, int('begin'), 'this.thread.x + 1', 'x')}
      return sum;`,
  });
}
