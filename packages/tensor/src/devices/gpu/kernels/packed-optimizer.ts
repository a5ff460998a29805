/** The optimiser's step with both moments of an element as bfloat16 numbers in a word: in WGSL, which knows words. */
import { roundingBits } from '../../../packed-moments.ts';
import type { ShaderCode } from '../backend.ts';
import type { AdamWStep, PackedAdamWSegment } from '../../kernels/optimizer.ts';
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

const THREADS = 64;

/** Of the 8 buffers of a launch those that are left for gradients: it reads two and a scale, and writes two. */
const MOST_GRADIENTS = 3;

type Step = AdamWStep & { readonly segments: readonly PackedAdamWSegment[]; readonly key: number };

/** @throws Error where no WGSL runs */
export function updatePacked(run: Recorder, { segments, key, gradientScale, ...settings }: Step): void {
  if (!run.runsShaders) {
    throw new Error(
      'gpu device: moments in bfloat16 need WebGPU, and here the kernels run on the CPU; keep moments in float32, or take the wasm device',
    );
  }
  const scale = gradientScale === null ? null : run.value(gradientScale);
  // Random bits of a launch are counted on from those of its first element.
  const follows = (a: PackedAdamWSegment, b: PackedAdamWSegment): boolean => a.start + a.count === b.start;
  for (const group of groupsThatFit(run, segments, { most: MOST_GRADIENTS, perElement: 1 }, follows)) {
    updateTogether(run, group, scale, key, settings);
  }
}

/** A step of some parameters in one launch: as that of optimizer.ts, in two blocks. */
function updateTogether(
  run: Recorder,
  slots: readonly Slot<PackedAdamWSegment>[],
  scale: Value | null,
  key: number,
  by: Settings,
): void {
  const all = sizeOf(slots);
  const blockOf = (values: readonly Value[]): Value => inOneBlock(run, values);
  const given = stretches(slots, areNeighbours);
  const decays = stretches(slots, (a, b) => a.weightDecay === b.weightDecay);
  const ends = (name: string, of: readonly { readonly end: number }[]): Record<string, number> =>
    Object.fromEntries(of.slice(0, -1).map(({ end }, i) => [`${name}${i}`, end]));
  const [parameters, moments] = run.launchShader({
    key: `adamW packed ${given.length} ${decays.length} ${scale !== null}`,
    buffers: {
      parameter: blockOf(slots.map(({ parameter }) => run.value(parameter))),
      moments: blockOf(slots.map((slot) => run.value(slot.moments))),
      ...Object.fromEntries(given.map(({ items }, i) => [`gradient${i}`, blockOf(items.map((slot) => slot.given))])),
      ...(scale !== null && { scale }),
    },
    integers: {
      all,
      random: roundingBits(slots[0]!.start, key),
      ...ends('end', given),
      ...ends('until', decays),
    },
    numbers: {
      ...numbersOf(by),
      ...Object.fromEntries(decays.map(({ items }, i) => [`keep${i}`, keptOf(by, items[0]!.weightDecay)])),
    },
    results: { parameters: all, packed: all },
    workgroups: [Math.ceil(all / THREADS), 1, 1],
    code: () => shader(given.length, decays.length, scale !== null),
  });
  let start = 0;
  for (const { parameter, moments: buffer, count } of slots) {
    run.store(parameter, run.part(parameters!, start, count));
    run.store(buffer, run.part(moments!, start, count));
    start += count;
  }
}

/** For so many gradients and weight decays, one behind the other. */
function shader(gradients: number, decays: number, scaled: boolean): ShaderCode {
  const read = (buffer: string, place: string): string => `${buffer}[u32(params.${buffer}Start) + ${place}]`;
  const own = Array.from({ length: gradients }, (_, i) =>
    i === 0
      ? `var g = ${read('gradient0', 'i')};`
      : `if (i >= u32(params.end${i - 1})) { g = ${read(`gradient${i}`, `i - u32(params.end${i - 1})`)}; }`,
  );
  const keep = Array.from({ length: decays }, (_, i) =>
    i === 0 ? 'var keep = params.keep0;' : `if (i >= u32(params.until${i - 1})) { keep = params.keep${i}; }`,
  );
  const body = `let i = group.x * ${THREADS}u + index;
  if (i >= u32(params.all)) { return; }
  ${[...own, ...keep].join('\n  ')}
  ${scaled ? `g = g * ${read('scale', '0u')};` : ''}
  let word = bitcast<u32>(${read('moments', 'i')});
  let first = params.beta1 * bitcast<f32>(word << 16u) + params.rest1 * g;
  let second = params.beta2 * bitcast<f32>(word & 0xffff0000u) + params.rest2 * (g * g);
  let root = sqrt(second * params.correction) + params.epsilon;
  parameters[i] = keep * ${read('parameter', 'i')} - params.rate * first / root;
  // roundingBits of packed-moments.ts.
  let bits = i * 0x9e3779b9u + bitcast<u32>(params.random);
  let high = (bitcast<u32>(second) + (bits >> 16u)) & 0xffff0000u;
  let low = (bitcast<u32>(first) + (bits & 0xffffu)) >> 16u;
  packed[i] = bitcast<f32>(high | low);`;
  return { threads: [THREADS, 1], body };
}
