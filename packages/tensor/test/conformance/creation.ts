/** Suites of what makes tensors or writes into them, and of the optimiser's arithmetic. */
import * as fc from 'fast-check';
import { concatenate } from '../../src/ops/movement.ts';
import { type AdamWSettings, adamWStep, globalNorm } from '../../src/ops/optimizer.ts';
import { philox4x32, RandomKey, randomNormal, randomUniform } from '../../src/random.ts';
import { type Shape, sizeOf } from '../../src/shape.ts';
import { assign, full, ones, tensor, type Tensor, zeros } from '../../src/tensor.ts';
import { fromFlat, map, type NdArray, ndarray, noise, range, total } from '../support/array.ts';
import { anySeed, anyShape, DENORMAL, type Input, type OpCase, type OpSuite, real, SPECIAL, whole } from './suite.ts';

const SHAPES: readonly Shape[] = [[], [1], [7], [0, 4], [3, 5], [2, 67], [8195]];

/** Only says on which device. */
const HERE: Input = real([]);

/** The suite of an op that makes a tensor of a shape, `extreme` with odd arguments. */
function maker(
  make: (here: Tensor, shape: Shape, seed: number) => Tensor,
  reference: (shape: Shape, seed: number) => NdArray,
  extreme: readonly OpCase[],
  tolerance = 0,
): OpSuite {
  const of = (shape: Shape, seed = 1): OpCase => ({
    inputs: [HERE],
    op: (here) => make(here, shape, seed),
    reference: () => reference(shape, seed),
    tolerance,
  });
  return {
    awkward: SHAPES.map((shape) => of(shape)),
    any: fc.tuple(anyShape(0, 4), anySeed).map(([shape, seed]) => of(shape, seed)),
    extreme: [...extreme, of([0])],
    gradients: 'in place',
  };
}

const constant = (shape: Shape, value: number): NdArray => ndarray(shape, () => value);

const filledWith = (value: number, dtype?: 'i32'): OpCase => ({
  inputs: [HERE],
  op: ({ device }) => full(device, [5], value, dtype),
  reference: () => constant([5], value),
});

const holding = (values: readonly number[]): OpCase => ({
  inputs: [HERE],
  op: ({ device }) => tensor(device, values),
  reference: () => fromFlat([values.length], values),
});

type Distribution = (u: readonly number[]) => number[];
const uniform: Distribution = (u) => u.map((word) => (word >>> 8) * 2 ** -24);
const normal: Distribution = (u) =>
  [0, 2].flatMap((pair) => {
    const radius = Math.sqrt(-2 * Math.log(((u[pair]! >>> 8) + 1) * 2 ** -24));
    const angle = 2 * Math.PI * (u[pair + 1]! >>> 8) * 2 ** -24;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });

/** The stream of a key; see RandomKey and the kernel list. */
function drawn(distribution: Distribution, shape: Shape, key: RandomKey, scale = 1): NdArray {
  const count = sizeOf(shape);
  const blocks = range(Math.ceil(count / 4)).map((block) =>
    distribution(philox4x32([block, 0, 0, 0], [key.low, key.high])),
  );
  return fromFlat(
    shape,
    blocks
      .flat()
      .slice(0, count)
      .map((x) => scale * x),
  );
}

const KEYS = [new RandomKey(0, 0), new RandomKey(0xffff_ffff, 0xffff_ffff), new RandomKey(5, 0x9000_0001)];
const draws = (op: typeof randomUniform, distribution: Distribution): OpCase[] =>
  KEYS.map((key) => ({
    inputs: [HERE],
    op: ({ device }) => op(device, [1001], key),
    reference: () => drawn(distribution, [1001], key),
    // Near zero a cosine is as exact as its angle.
    tolerance: 1e-3,
  }));

const overwritten = (target: Input, values: Input): OpCase => ({
  inputs: [target, values],
  op: (x, y) => {
    assign(x, y);
    return x;
  },
  reference: (x, y) => ({ shape: x.shape, data: y.data }),
  tolerance: 0,
});

const norm = (inputs: readonly Input[]): OpCase => ({
  inputs,
  op: (...xs) => globalNorm(xs),
  reference: (...xs) => fromFlat([], [Math.sqrt(total(xs.flatMap(({ data }) => total(data.map((x) => x * x)))))]),
});

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

export const creation = {
  tensor: maker(
    ({ device }, shape, seed) => tensor(device, [...noise(shape, seed).data], shape),
    (shape, seed) => noise(shape, seed),
    [holding(SPECIAL), holding(DENORMAL)],
  ),
  full: maker(
    ({ device }, shape, seed) => full(device, shape, seed / 8),
    (shape, seed) => constant(shape, seed / 8),
    [...[...SPECIAL, ...DENORMAL].map((value) => filledWith(value)), filledWith(-(2 ** 24), 'i32')],
  ),
  zeros: maker(
    ({ device }, shape, seed) => zeros(device, shape, seed % 2 === 0 ? 'f32' : 'i32'),
    (shape) => constant(shape, 0),
    [],
  ),
  ones: maker(
    ({ device }, shape, seed) => ones(device, shape, seed % 2 === 0 ? 'f32' : 'i32'),
    (shape) => constant(shape, 1),
    [],
  ),
  randomUniform: maker(
    ({ device }, shape, seed) => randomUniform(device, shape, RandomKey.fromSeed(seed)),
    (shape, seed) => drawn(uniform, shape, RandomKey.fromSeed(seed)),
    draws(randomUniform, uniform),
  ),
  randomNormal: maker(
    ({ device }, shape, seed) => randomNormal(device, shape, RandomKey.fromSeed(seed), 0.25),
    (shape, seed) => drawn(normal, shape, RandomKey.fromSeed(seed), 0.25),
    draws(randomNormal, normal),
    3e-6,
  ),
  assign: {
    awkward: [
      ...SHAPES.map((shape) => overwritten(noise(shape, 1), noise(shape, 2))),
      overwritten(whole([1, 2]), whole([3, 4])),
    ],
    any: fc
      .tuple(anyShape(0, 4), anySeed)
      .map(([shape, seed]) => overwritten(noise(shape, seed), noise(shape, seed + 1))),
    extreme: [SPECIAL, DENORMAL].map((values) => overwritten(noise([values.length], 1), real(values))),
    gradients: 'in place',
  },
  globalNorm: {
    awkward: [
      norm([noise([1], 1)]),
      norm([noise([0], 1)]),
      norm([5, 0, 3, 20_011, 7, 300, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((count, i) => noise([count], i + 1))),
      norm([noise([131, 67], 1), noise([], 2)]),
    ],
    any: fc
      .tuple(fc.array(anyShape(0, 3), { minLength: 1, maxLength: 4 }), anySeed)
      .map(([shapes, seed]) => norm(shapes.map((shape, i) => noise(shape, seed + i)))),
    extreme: [
      ...[Number.NaN, Infinity, -Infinity, 0, 1e18].map((value) => norm([noise([5], 1), real([1, value])])),
      norm([real(DENORMAL)]),
    ],
    gradients: 'none',
  },
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
