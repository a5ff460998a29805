/** Prototypes as moving averages, of experts that get little and of those that get nothing. */
import { randomNormal, scope, type Tensor, tensor } from '@lpr/tensor';
import { describe, expect, it } from 'vitest';
import {
  assignedSums,
  mergeStatistics,
  moveAssigned,
  moveDecayedSums,
  movePrototypes,
  resolveLatentPrototype,
  statisticsOf,
} from '../src/index.ts';
import { dispose } from './routed.ts';
import { device, key, makeRouter, type Matrix, toMatrix, toTensor } from './support.ts';

const keys: Matrix = [
  [3, 4],
  [5, 6],
];
const latents: Matrix = [
  [1, 1],
  [1, 1],
];

/** Assigns all of both tokens to the first expert, and so much to the second. */
const sumsOf = (mass: number): Tensor =>
  assignedSums(
    toTensor([
      [1, mass],
      [1, mass],
    ]),
    toTensor(latents),
  );

const expectClose = (got: Matrix, expected: Matrix): void =>
  got.forEach((row, e) => row.forEach((value, d) => expect(value).toBeCloseTo(expected[e]![d]!, 5)));

describe('movePrototypes', () => {
  it.each([1, 1e-7, 1e-25, 1e-30])('moves towards the mean of what was assigned, also of %d a token', async (mass) => {
    await scope(device, async () => {
      expectClose(await toMatrix(movePrototypes(toTensor(keys), sumsOf(mass), 0.9)), [
        [2.8, 3.7],
        [4.6, 5.5],
      ]);
    });
  });

  it.each([0, 5e-31, 1e-38])('leaves prototypes alone to which %d a token was assigned', async (mass) => {
    await scope(device, async () => {
      const [moved, left] = await toMatrix(movePrototypes(toTensor(keys), sumsOf(mass), 0.9));
      expectClose([moved!], [[2.8, 3.7]]);
      expect(left).toEqual([5, 6]);
    });
  });
});

describe('moveDecayedSums', () => {
  it.each([
    [1e-20, [5e20, 6e20]],
    [0, [5, 6]],
  ])(
    'divides by what is left of a count of %d, and leaves prototypes alone where that is nothing',
    async (count, row) => {
      await scope(device, async () => {
        const state = { sums: toTensor(keys), counts: tensor(device, [2, count]) };
        const rows = toTensor(keys);
        const { means, assigned } = moveDecayedSums(state, sumsOf(0), 0.5);
        moveAssigned(rows, means, assigned);
        const [first, second] = await toMatrix(rows);
        expect(first).toEqual([1.25, 1.5]);
        row.forEach((value, d) => expect(second![d]! / value).toBeCloseTo(1, 5));
        expect((await toMatrix(assigned)).flat()).toEqual([1, Math.sign(count)]);
        expect(await toMatrix(state.sums)).toEqual([
          [2.5, 3],
          [2.5, 3],
        ]);
        expect(Array.from(await state.counts.data())).toEqual([2, Math.fround(count / 2)]);
      });
    },
  );
});

it.each(['dotProduct', 'wasserstein'] as const)(
  'decayed sums of the chosen leave prototypes alone that have never been chosen: %s',
  async (measure) => {
    const options = resolveLatentPrototype('corrected', {
      measure,
      latentDim: 4,
      ema: 'official',
      assignment: 'chosenOnly',
      emaDecay: 0.5,
    });
    const router = makeRouter({ kind: 'latentPrototype', ...options }, { hidden: 12, experts: 8, topK: 1 });
    const parameters = [...router.parameters].filter(([name]) => name.startsWith('expert_keys'));
    const read = async (): Promise<number[][][]> => Promise.all(parameters.map(([, rows]) => toMatrix(rows)));
    const before = await read();
    const counts = await scope(device, async () => {
      const x = randomNormal(device, [2, 12], key, 2);
      const routing = router.route(x, { training: true, noise: key });
      router.afterStep(mergeStatistics([[statisticsOf(routing)]])[0]!);
      return Array.from(await routing.counts.data());
    });
    const after = await read();
    expect(parameters).toHaveLength(measure === 'wasserstein' ? 2 : 1);
    for (const [e, count] of counts.entries()) {
      for (const [i, rows] of after.entries()) {
        if (count === 0) expect(rows[e]).toEqual(before[i]![e]);
        else expect(rows[e]).not.toEqual(before[i]![e]);
      }
    }
    expect(counts).toContain(0);
    expect(Math.max(...after.flat(2).map(Math.abs))).toBeLessThan(100);
    dispose(router);
  },
);
