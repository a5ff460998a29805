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
      const written = segments.filter(({ count }) => count > 0);
      for (const group of groupsThatFit(written, most, run.largestBlock)) {
        if (sizeOfState(group) <= run.largestBlock) updateTogether(run, group, scale, settings);
        else updateApart(run, group[0]!, scale, settings);
      }
    },
  };
}

type Settings = Omit<Parameters<OptimizerKernels['adamW']>[0], 'segments' | 'gradientScale'>;

/** What a step replaces, in the order in which it is written. */
const STATE = ['parameter', 'firstMoment', 'secondMoment'] as const;

/**
 * A step of some parameters in one launch. It writes all new parameters one after the other, then all first, then all
 * second moments: the next step finds them as parts of one block, and reads them as one buffer. So there is room for
 * several gradients.
 */
function updateTogether(run: Recorder, segments: readonly AdamWSegment[], scale: Value | null, by: Settings): void {
  const counts = segments.map(({ count }) => count);
  const all = sumOf(counts);
  const buffers = STATE.flatMap((part) => segments.map((segment) => segment[part]));
  const state = inOneBlock(
    run,
    buffers.map((buffer) => run.value(buffer)),
  );
  const gradients = segments.map(({ gradient }, i) => [`gradient${i}`, run.value(gradient)] as const);
  const updated = run.launch({
    key: 'adamW together',
    extents: [STATE.length * all],
    buffers: { state, ...Object.fromEntries(gradients), ...(scale !== null && { scale }) },
    integers: { all, ...Object.fromEntries(counts.map((_, i) => [`end${i}`, sumOf(counts.slice(0, i + 1))])) },
    numbers: {
      ...numbersOf(by),
      ...Object.fromEntries(segments.map(({ weightDecay }, i) => [`keep${i}`, keptOf(by, weightDecay)])),
    },
    body: () => {
      const place = `(this.thread.x - ${int('part')} * all)`;
      const own = gradients.map(([name], i) => {
        if (i === 0) return `let g = ${name}[${place}]; let keep = keep0;`;
        return `if (${place} >= end${i - 1}) { g = ${name}[${place} - end${i - 1}]; keep = keep${i}; }`;
      });
      return `let part = 0.0;
        if (this.thread.x >= all) { part = 1.0; }
        if (this.thread.x >= all + all) { part = 2.0; }
        ${own.join('\n')}
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
function updateApart(run: Recorder, segment: AdamWSegment, scale: Value | null, by: Settings): void {
  const { count, weightDecay } = segment;
  const old = STATE.map((part) => [part, run.value(segment[part])] as const);
  const gradient = run.value(segment.gradient);
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
  for (const [i, part] of STATE.entries()) run.store(segment[part], made[i]!);
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

/** Segments in groups of at most `most`, whose state fits into one block where more than one is in a group. */
function groupsThatFit(segments: readonly AdamWSegment[], most: number, largestBlock: number): AdamWSegment[][] {
  const groups: AdamWSegment[][] = [];
  for (const segment of segments) {
    const group = groups.at(-1);
    if (group !== undefined && group.length < most && sizeOfState([...group, segment]) <= largestBlock) {
      group.push(segment);
    } else {
      groups.push([segment]);
    }
  }
  return groups;
}

/** The values as one buffer: for nothing when they are neighbours in one block. */
function inOneBlock(run: Recorder, values: readonly Value[]): Value {
  const [first] = values as [Value];
  let end = first.offset;
  for (const value of values) {
    if (value.whole !== first.whole || value.offset !== end) return join(run, values);
    end += value.elements;
  }
  return run.part(first.whole, first.offset, end - first.offset);
}
