/** Which parameters take a step in one launch, and what such a launch is told. */
import type { AdamWStep, Segment } from '../../kernels/optimizer.ts';
import { sumOf } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import { join } from './movement.ts';

/** Stretches of equal weight decay in one launch, whose ends and factors are scalars. */
const MOST_DECAYS = 64;

/** A segment with the value of its gradient. */
export type Slot<S extends Segment> = S & { readonly given: Value };

export type Settings = Omit<AdamWStep, 'gradientScale'>;

export function numbersOf({ learningRate, beta1, beta2, epsilon, step }: Settings): Record<string, number> {
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

export function keptOf({ learningRate }: Settings, weightDecay: number): number {
  return 1 - learningRate * weightDecay;
}

/** Numbers of all parameters. */
export function sizeOf(segments: readonly Segment[]): number {
  return sumOf(segments.map(({ count }) => count));
}

/**
 * Segments that are not empty in groups of one launch each: their gradients lie in at most `most` stretches of memory,
 * and each launch has a block of `perElement` numbers for each of theirs.
 *
 * @param follows whether a segment may be in a group behind another; any unless given
 */
export function groupsThatFit<S extends Segment>(
  run: Recorder,
  segments: readonly S[],
  { most, perElement }: { readonly most: number; readonly perElement: number },
  follows: (last: S, next: S) => boolean = () => true,
): Slot<S>[][] {
  const groups: Slot<S>[][] = [];
  let load = { block: 0, gradients: 0, decays: 0 };
  for (const segment of segments) {
    if (segment.count === 0) continue;
    const slot = { ...segment, given: run.value(segment.gradient) };
    const group = groups.at(-1);
    const last = group?.at(-1);
    const more = {
      block: load.block + perElement * slot.count,
      gradients: load.gradients + (last !== undefined && areNeighbours(last, slot) ? 0 : 1),
      decays: load.decays + (last?.weightDecay === slot.weightDecay ? 0 : 1),
    };
    const fits = more.block <= run.largestBlock && more.gradients <= most && more.decays <= MOST_DECAYS;
    if (group !== undefined && fits && follows(last!, slot)) {
      group.push(slot);
      load = more;
    } else {
      groups.push([slot]);
      load = { block: perElement * slot.count, gradients: 1, decays: 1 };
    }
  }
  return groups;
}

/** Whether the gradient of `b` begins where that of `a` ends. */
export function areNeighbours(
  { given: a }: { readonly given: Value },
  { given: b }: { readonly given: Value },
): boolean {
  return a.whole === b.whole && a.recipe === null && b.recipe === null && a.offset + a.elements === b.offset;
}

/** Slots one after the other, cut where two beside one another do not belong together; `end` counts numbers. */
export function stretches<S extends Segment>(
  slots: readonly S[],
  together: (a: S, b: S) => boolean,
): { readonly items: S[]; end: number }[] {
  const all: { readonly items: S[]; end: number }[] = [];
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
export function inOneBlock(run: Recorder, values: readonly Value[]): Value {
  const [first] = values as [Value];
  let end = first.offset;
  for (const value of values) {
    if (value.recipe !== null || value.whole !== first.whole || value.offset !== end) return join(run, values);
    end += value.elements;
  }
  return run.part(first.whole, first.offset, end - first.offset);
}
