/** What every routing method gives beside its choices: loss terms where they have a weight, and what it selected by. */
import { cast, RandomKey, scope, tensor } from '@lpr/tensor';
import { describe, expect, it } from 'vitest';
import {
  latentPrototypePresets,
  type RouteContext,
  type Router,
  routerMethods,
  type RouterKind,
  type RouterOptions,
  routerTraits,
  type Routing,
  topKFor,
} from '../src/index.ts';
import { descending, dispose, normal } from './routed.ts';
import { device, makeRouter, type Matrix, softmax, toMatrix, toTensor } from './support.ts';

const kinds = Object.keys(routerMethods) as RouterKind[];
const defaultsOf = (kind: RouterKind): RouterOptions => routerMethods[kind].defaults;

function routerOf(options: RouterOptions): Router {
  const shape = { hidden: 8, experts: 8, topK: 2 };
  return makeRouter(options, { ...shape, topK: topKFor(routerTraits(options), shape) });
}

function contextOf(x: Matrix, training: boolean): RouteContext {
  const ids = cast(
    tensor(
      device,
      Float32Array.from(x, (_, token) => token),
    ),
    'i32',
  );
  return { training, noise: RandomKey.fromSeed(3), tokenIds: ids, sequence: 4 };
}

/** Names and weights of the loss terms of a router with these settings. */
async function termsOf(options: RouterOptions, training: boolean): Promise<readonly (readonly [string, number])[]> {
  const router = routerOf(options);
  const x = await normal(8, 8, 5);
  const terms = scope(device, () =>
    router.route(toTensor(x), contextOf(x, training)).losses.map(({ name, weight }) => [name, weight] as const),
  );
  dispose(router);
  return terms;
}

/** The default settings with all weights of loss terms set to a number. */
const weighted = (kind: RouterKind, weight: number): RouterOptions =>
  Object.fromEntries(
    Object.entries(defaultsOf(kind)).map(([field, value]) => [field, field.endsWith('Weight') ? weight : value]),
  ) as unknown as RouterOptions;

describe('loss terms', () => {
  it.each(kinds)('of %s: none in evaluation', async (kind) => {
    expect(await termsOf(weighted(kind, 1), false)).toEqual([]);
  });

  // The others have terms of their own accord (a penalty that adapts, terms that are recorded raw).
  const byWeight: Partial<Record<RouterKind, readonly string[]>> = {
    adamoe: ['loadBalancing'],
    deepSeekV3: ['sequenceBalance'],
    dselectK: ['entropy'],
    gshard: ['loadBalancing', 'z'],
    noisyTopK: ['importance', 'load'],
    switch: ['loadBalancing', 'z'],
  };

  it.each(Object.entries(byWeight))('of %s: those that have a weight, with that weight', async (kind, names) => {
    expect(await termsOf(weighted(kind as RouterKind, 0.25), true)).toEqual(names.map((name) => [name, 0.25]));
    expect(await termsOf(weighted(kind as RouterKind, 0), true)).toEqual([]);
  });
});

describe('empty slots', () => {
  it.each(kinds.filter((kind) => !routerTraits(defaultsOf(kind)).fillsSlots))(
    'of %s are counted by reason',
    async (kind) => {
      const router = routerOf(defaultsOf(kind));
      const x = await normal(12, 8, 4, 30);
      await scope(device, async () => {
        const { experts, unused, counts } = router.route(toTensor(x), contextOf(x, true));
        const empty = (await toMatrix(experts)).flat().filter((expert) => expert === 8).length;
        let counted = 0;
        for (const { count } of unused!) {
          expect(count.shape).toEqual([1]);
          counted += await count.item();
        }
        expect(counted).toBe(empty);
        expect(Array.from(await counts.data()).reduce((a, b) => a + b)).toBe(experts.size - empty);
      });
      dispose(router);
    },
  );
});

describe('statistics of latentPrototype', () => {
  const statisticsFor = async (
    changes: Partial<Extract<RouterOptions, { kind: 'latentPrototype' }>>,
    part?: RouteContext['part'],
  ): Promise<{ readonly kept: string[]; readonly details: string[] }> => {
    const router = routerOf({ kind: 'latentPrototype', ...latentPrototypePresets.corrected, ...changes });
    const x = await normal(6, 8, 4);
    const names = scope(device, () => {
      const { sums, rows, details } = router.route(toTensor(x), { ...contextOf(x, true), ...(part ? { part } : {}) });
      return { kept: [...Object.keys(sums!), ...Object.keys(rows!)].sort(), details: Object.keys(details!).sort() };
    });
    dispose(router);
    return names;
  };

  it('are what a later step or part reads, and no more', async () => {
    const part = { first: 0, tokens: 12 };
    const own = { diversityTarget: 'tokens', alignment: 'assignedMean', ema: 'off' } as const;
    expect((await statisticsFor(own)).kept).toEqual(['aligned']);
    expect((await statisticsFor(own, part)).kept).toEqual(['aligned', 'latents']);
    expect((await statisticsFor({ ...own, diversityTarget: 'keys' }, part)).kept).toEqual(['aligned']);
    expect((await statisticsFor({ ...own, alignment: 'paper', ema: 'hard' })).kept).toEqual(['averaged']);
  });

  it('name the assignment of tokens where the alignment reads it', async () => {
    expect((await statisticsFor({ alignment: 'official' })).details).toContain('routing');
    expect((await statisticsFor({ alignment: 'assignedMean', ema: 'official' })).details).not.toContain('routing');
  });
});

describe('what was selected by', () => {
  const selectionOf = async ({ details, scores }: Routing): Promise<Matrix> =>
    toMatrix(details?.['selection'] ?? scores);

  it.each(kinds.filter((kind) => routerTraits(defaultsOf(kind)).takesLargest))(
    'of %s: its largest entries are the experts, in descending order',
    async (kind) => {
      const router = routerOf(defaultsOf(kind));
      const x = await normal(6, 8, 8);
      await scope(device, async () => {
        const routing = router.route(toTensor(x), contextOf(x, false));
        const experts = await toMatrix(routing.experts);
        const selection = await selectionOf(routing);
        for (const [token, own] of experts.entries()) {
          const filled = own.filter((expert) => expert < 8);
          const largest = descending(selection[token]!).slice(0, own.length);
          expect(filled).toEqual(largest.filter((expert) => filled.includes(expert)));
        }
      });
      dispose(router);
    },
  );

  it.each([
    ...(['topKSoftmax', 'switch', 'gshard', 'expertChoice', 'denseMixture', 'xmoe'] as const),
    ...(['noisyTopK', 'deepSeekV3', 'quantileBalancing', 'sinkhorn'] as const),
  ])('of %s is named: the probabilities, or the scores where nothing has moved a bias or price yet', async (kind) => {
    const router = routerOf(defaultsOf(kind));
    const x = await normal(6, 8, 8);
    await scope(device, async () => {
      const { details, scores } = router.route(toTensor(x), contextOf(x, false));
      const own = await toMatrix(scores);
      const selection = await toMatrix(details!['selection']!);
      const far = (expected: Matrix): number =>
        Math.max(...selection.flatMap((row, token) => row.map((value, e) => Math.abs(value - expected[token]![e]!))));
      expect(Math.min(far(own), far(own.map((row) => softmax(row))))).toBeLessThan(1e-5);
    });
    dispose(router);
  });

  it('of adamoe: probabilities of experts and null experts, of which the latter leave a slot empty', async () => {
    const router = routerOf({ kind: 'adamoe', nullExperts: 3, loadBalancingWeight: 0 });
    const x = await normal(12, 8, 9);
    await scope(device, async () => {
      const routing = router.route(toTensor(x), contextOf(x, false));
      const selection = await toMatrix(routing.details!['selection']!);
      const weights = await toMatrix(routing.weights);
      for (const [token, own] of (await toMatrix(routing.experts)).entries()) {
        expect(selection[token]).toHaveLength(11);
        const largest = descending(selection[token]!).slice(0, 2);
        expect(own).toEqual(largest.map((expert) => Math.min(expert, 8)));
        const kept = largest.map((expert) => (expert < 8 ? selection[token]![expert]! : 0));
        const sum = Math.max(kept[0]! + kept[1]!, 1e-20);
        kept.forEach((p, slot) => expect(weights[token]![slot]).toBeCloseTo(p / sum, 5));
      }
    });
    dispose(router);
  });
});
