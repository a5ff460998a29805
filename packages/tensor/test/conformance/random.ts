/** Suites of the random numbers. */
import { randomNormal, randomUniform } from '../../src/ops/random.ts';
import { philox4x32, RandomKey } from '../../src/random.ts';
import { type Shape, sizeOf } from '../../src/shape.ts';
import { fromFlat, type NdArray, range } from '../support/array.ts';
import { maker } from './creation.ts';
import { HERE, type OpCase, type OpSuite } from './suite.ts';

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

export const random = {
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
} satisfies Record<string, OpSuite>;
