/** The optimiser: a step of several parameters in one launch. */
import type { AdamWSegment, OptimizerKernels } from '../../kernels/optimizer.ts';
import { axes, int, sumOf } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import { join } from './movement.ts';

export function optimizerKernels(run: Recorder): OptimizerKernels {
  return {
    adamW({ segments, gradientScale, ...settings }) {
      const scale = gradientScale === null ? null : run.value(gradientScale);
      // Beside gradients a launch reads the state, and the scale.
      const most = run.mostBuffers - (scale === null ? 1 : 2);
      for (const group of groupsThatFit(run, segments, most)) {
        if (sizeOfState(group) <= run.largestBlock) updateTogether(run, group, scale, settings);
        else updateApart(run, group[0]!, scale, settings);
      }
    },
  };
}

/** Stretches of equal weight decay in one launch, whose ends and factors are scalars. */
const MOST_DECAYS = 64;

type Settings = Omit<Parameters<OptimizerKernels['adamW']>[0], 'segments' | 'gradientScale'>;

/** What a step replaces, in the order in which it is written. */
const STATE = ['parameter', 'firstMoment', 'secondMoment'] as const;

/** A segment with the value of its gradient. */
type Slot = AdamWSegment & { readonly given: Value };

/**
 * A step of some parameters in one launch. It writes all new parameters one after the other, then all first, then all
 * second moments: the next step finds them as parts of one block, and reads them as one buffer. Gradients that lie one
 * after the other, as the sum of their squares leaves them, are one buffer too. So there is room for many parameters.
 */
function updateTogether(run: Recorder, slots: readonly Slot[], scale: Value | null, by: Settings): void {
  const all = sumOf(slots.map(({ count }) => count));
  const buffers = STATE.flatMap((part) => slots.map((slot) => slot[part]));
  const state = inOneBlock(
    run,
    buffers.map((buffer) => run.value(buffer)),
  );
  const given = stretches(slots, areNeighbours);
  const gradients = given.map(
    ({ items }, i) =>
      [
        `gradient${i}`,
        inOneBlock(
          run,
          items.map((slot) => slot.given),
        ),
      ] as const,
  );
  const decays = stretches(slots, (a, b) => a.weightDecay === b.weightDecay);
  const ends = (name: string, of: readonly { readonly end: number }[]): Record<string, number> =>
    Object.fromEntries(of.slice(0, -1).map(({ end }, i) => [`${name}${i}`, end]));
  const updated = run.launch({
    key: `adamW together ${decays.length}`,
    extents: [STATE.length * all],
    buffers: { state, ...Object.fromEntries(gradients), ...(scale !== null && { scale }) },
    integers: { all, ...ends('end', given), ...ends('until', decays) },
    numbers: {
      ...numbersOf(by),
      ...Object.fromEntries(decays.map(({ items }, i) => [`keep${i}`, keptOf(by, items[0]!.weightDecay)])),
    },
    body: () => {
      const place = `(this.thread.x - ${int('part')} * all)`;
      const own = gradients.map(([name], i) => {
        if (i === 0) return `let g = ${name}[${place}];`;
        return `if (${place} >= end${i - 1}) { g = ${name}[${place} - end${i - 1}]; }`;
      });
      const keep = decays.map((_, i) =>
        i === 0 ? 'let keep = keep0;' : `if (${place} >= until${i - 1}) { keep = keep${i}; }`,
      );
      return `let part = 0.0;
        if (this.thread.x >= all) { part = 1.0; }
        if (this.thread.x >= all + all) { part = 2.0; }
        ${[...own, ...keep].join('\n')}
        ${stepText(scale, (of) => `state[${[place, ...Array<string>(of).fill('all')].join(' + ')}]`)}`;
    },
  });
  let start = 0;
  for (const buffer of buffers) {
    run.store(buffer, run.part(updated, start, buffer.elements));
    start += buffer.elements;
  }
}

/** A step of one parameter whose new state is too large for one block: a launch for each part of it. */
function updateApart(run: Recorder, slot: Slot, scale: Value | null, by: Settings): void {
  const { count, weightDecay, given: gradient } = slot;
  const old = STATE.map((part) => [part, run.value(slot[part])] as const);
  const made = STATE.map((_, part) =>
    run.launch({
      key: 'adamW apart',
      extents: axes(count).extents,
      buffers: { ...Object.fromEntries(old), gradient, ...(scale !== null && { scale }) },
      numbers: { ...numbersOf(by), keep: keptOf(by, weightDecay), part },
      body: () => `let g = gradient[this.thread.x];
        ${stepText(scale, (of) => `${STATE[of]!}[this.thread.x]`)}`,
    }),
  );
  for (const [i, part] of STATE.entries()) run.store(slot[part], made[i]!);
}

/**
 * Returns the new parameter, first or second moment of an element, as the variable `part` says, from its gradient `g`
 * (which clipping still scales), `keep` (what weight decay leaves) and `old`, an expression for each part.
 */
function stepText(scale: Value | null, old: (part: number) => string): string {
  return `${scale === null ? '' : 'g = g * scale[0];'}
    let first = 0.0;
    if (part < 1.5) { first = beta1 * ${old(1)} + rest1 * g; }
    if (part === 1.0) { return first; }
    const second = beta2 * ${old(2)} + rest2 * (g * g);
    if (part === 2.0) { return second; }
    return keep * ${old(0)} - rate * first / (Math.sqrt(second * correction) + epsilon);`;
}

function numbersOf({ learningRate, beta1, beta2, epsilon, step }: Settings): Record<string, number> {
  return {
    beta1,
    rest1: 1 - beta1,
    beta2,
    rest2: 1 - beta2,
    rate: learningRate / (1 - beta1 ** step),
    correction: 1 / (1 - beta2 ** step),
    epsilon,
  };
}

function keptOf({ learningRate }: Settings, weightDecay: number): number {
  return 1 - learningRate * weightDecay;
}

/** Numbers in the state of some parameters: each and its two moments. */
function sizeOfState(segments: readonly AdamWSegment[]): number {
  return STATE.length * sumOf(segments.map(({ count }) => count));
}

/** Segments in groups of one launch each: their gradients lie in at most `most` stretches of memory. */
function groupsThatFit(run: Recorder, segments: readonly AdamWSegment[], most: number): Slot[][] {
  const groups: Slot[][] = [];
  let load = { state: 0, gradients: 0, decays: 0 };
  for (const segment of segments) {
    if (segment.count === 0) continue;
    const slot = { ...segment, given: run.value(segment.gradient) };
    const group = groups.at(-1);
    const last = group?.at(-1);
    const more = {
      state: load.state + STATE.length * slot.count,
      gradients: load.gradients + (last !== undefined && areNeighbours(last, slot) ? 0 : 1),
      decays: load.decays + (last?.weightDecay === slot.weightDecay ? 0 : 1),
    };
    if (group !== undefined && more.state <= run.largestBlock && more.gradients <= most && more.decays <= MOST_DECAYS) {
      group.push(slot);
      load = more;
    } else {
      groups.push([slot]);
      load = { state: STATE.length * slot.count, gradients: 1, decays: 1 };
    }
  }
  return groups;
}

/** Whether the gradient of `b` begins where that of `a` ends. */
function areNeighbours({ given: a }: Slot, { given: b }: Slot): boolean {
  return a.whole === b.whole && a.recipe === null && b.recipe === null && a.offset + a.elements === b.offset;
}

/** Slots one after the other, cut where two beside one another do not belong together; `end` counts numbers. */
function stretches(
  slots: readonly Slot[],
  together: (a: Slot, b: Slot) => boolean,
): { readonly items: Slot[]; end: number }[] {
  const all: { readonly items: Slot[]; end: number }[] = [];
  let end = 0;
  for (const [i, slot] of slots.entries()) {
    end += slot.count;
    const last = all.at(-1);
    if (last !== undefined && together(slots[i - 1]!, slot)) {
      last.items.push(slot);
      last.end = end;
    } else {
      all.push({ items: [slot], end });
    }
  }
  return all;
}

/** The values as one buffer: for nothing when they are neighbours in one block. */
function inOneBlock(run: Recorder, values: readonly Value[]): Value {
  const [first] = values as [Value];
  let end = first.offset;
  for (const value of values) {
    if (value.recipe !== null || value.whole !== first.whole || value.offset !== end) return join(run, values);
    end += value.elements;
  }
  return run.part(first.whole, first.offset, end - first.offset);
}
