/** Suite of the optimiser's arithmetic. */
import * as fc from 'fast-check';
import { full } from '../../src/creation.ts';
import { concatenate } from '../../src/ops/movement.ts';
import { type AdamWSettings, adamWStep } from '../../src/ops/optimizer.ts';
import { fromFlat, map, noise } from '../support/array.ts';
import { anySeed, DENORMAL, type Input, type OpCase, type OpSuite, real } from './suite.ts';

interface Step extends Partial<AdamWSettings> {
  /** Multiplies every gradient, from the device. */
  readonly clip?: number;
  readonly weightDecay?: number;
}

/** Parameter, gradient, first and second moment of one tensor. */
type Slot = readonly [Input, Input, Input, Input];

/** One step over all slots; their parameters, first and second moments in one tensor. */
function stepped(slots: readonly Slot[], { clip, weightDecay = 0.1, ...changes }: Step = {}): OpCase {
  const settings = { learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, step: 3, ...changes };
  const decayOf = (slot: number): number => weightDecay * (slot + 1);
  return {
    inputs: slots.flat(),
    op: (...tensors) => {
      const { device } = tensors[0]!;
      const filled = slots.map((_, i) => {
        const [parameter, gradient, firstMoment, secondMoment] = tensors.slice(4 * i);
        return {
          ...{ parameter: parameter!, gradient: gradient!, weightDecay: decayOf(i) },
          ...{ firstMoment: firstMoment!, secondMoment: secondMoment! },
        };
      });
      adamWStep(device, filled, { ...settings, ...(clip !== undefined && { gradientScale: full(device, [], clip) }) });
      return concatenate(
        filled.flatMap(({ parameter, firstMoment, secondMoment }) => [parameter, firstMoment, secondMoment]),
        0,
      );
    },
    reference: (...arrays) => {
      const { learningRate, beta1, beta2, epsilon, step } = settings;
      const results = slots.flatMap((_, i) => {
        const [parameter, gradient, firstMoment, secondMoment] = arrays.slice(4 * i).map(({ data }) => data);
        const g = gradient!.map((x) => x * (clip ?? 1));
        const m = firstMoment!.map((x, at) => beta1 * x + (1 - beta1) * g[at]!);
        const v = secondMoment!.map((x, at) => beta2 * x + (1 - beta2) * g[at]! ** 2);
        const p = parameter!.map((x, at) => {
          const root = Math.sqrt(v[at]! / (1 - beta2 ** step)) + epsilon;
          return x * (1 - learningRate * decayOf(i)) - (learningRate * (m[at]! / (1 - beta1 ** step))) / root;
        });
        return [...p, ...m, ...v];
      });
      return fromFlat([results.length], results);
    },
  };
}

const slot = (count: number, seed = 1): Slot => [
  noise([count], seed),
  noise([count], seed + 1),
  noise([count], seed + 2),
  map(noise([count], seed + 3), Math.abs),
];

export const optimizer = {
  adamWStep: {
    awkward: [[1], [0], [8195], [5, 0, 130, 64, 1, 7, 33, 12]].flatMap((counts) => {
      const slots = counts.map((count, i) => slot(count, i + 1));
      return [stepped(slots), stepped(slots, { step: 1, clip: 0.3, weightDecay: 0 })];
    }),
    any: fc
      .tuple(
        fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 4 }),
        ...([anySeed, fc.integer({ min: 1, max: 1000 }), fc.constantFrom(0.25, 0.5, 1)] as const),
      )
      .map(([counts, seed, step, clip]) =>
        stepped(
          counts.map((count, i) => slot(count, seed + i)),
          { step, clip },
        ),
      ),
    extreme: [
      stepped([[real([1, 0]), real([0, 0]), real([0, 0]), real([0, 0])]]),
      stepped([[real([1, 2, 3]), real([NaN, 1e15, -1e-15]), real([0, 0, 0]), real([0, 0, 0])]]),
      stepped([[real([1, 2]), real([Infinity, 1]), real([0, 0]), real([0, 0])], slot(3)]),
      stepped([[real([1, 2, 3]), real(DENORMAL), real([0, 0, 0]), real([1, 1, 1])]]),
    ],
    gradients: 'in place',
  },
} satisfies Record<string, OpSuite>;
