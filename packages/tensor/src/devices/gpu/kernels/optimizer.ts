/** The optimiser: a step of several parameters in one launch. */
import type { AdamWSegment, OptimizerKernels } from '../../kernels/optimizer.ts';
import { axes, int } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import {
  areNeighbours,
  groupsThatFit,
  inOneBlock,
  keptOf,
  numbersOf,
  type Settings,
  sizeOf,
  type Slot,
  stretches,
} from './optimizer-groups.ts';
import { updatePacked } from './packed-optimizer.ts';

export function optimizerKernels(run: Recorder): OptimizerKernels {
  return {
    adamW({ segments, gradientScale, ...settings }) {
      const scale = gradientScale === null ? null : run.value(gradientScale);
      // Beside gradients a launch reads the state, and the scale.
      const most = run.mostBuffers - (scale === null ? 1 : 2);
      for (const group of groupsThatFit(run, segments, { most, perElement: STATE.length })) {
        if (STATE.length * sizeOf(group) <= run.largestBlock) updateTogether(run, group, scale, settings);
        else updateApart(run, group[0]!, scale, settings);
      }
    },

    adamWPacked: (step) => updatePacked(run, step),
  };
}

/** What a step replaces, in the order in which it is written. */
const STATE = ['parameter', 'firstMoment', 'secondMoment'] as const;

/**
 * A step of some parameters in one launch. It writes all new parameters one after the other, then all first, then all
 * second moments: the next step finds them as parts of one block, and reads them as one buffer. Gradients that lie one
 * after the other, as the sum of their squares leaves them, are one buffer too. So there is room for many parameters.
 */
function updateTogether(run: Recorder, slots: readonly Slot<AdamWSegment>[], scale: Value | null, by: Settings): void {
  const all = sizeOf(slots);
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
function updateApart(run: Recorder, slot: Slot<AdamWSegment>, scale: Value | null, by: Settings): void {
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
