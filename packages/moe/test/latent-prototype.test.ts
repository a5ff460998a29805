import { assign, cast, randomNormal, scope, slice, type Tensor, tensor } from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import { describe, expect, it } from 'vitest';
import {
  latentPrototypePresets,
  mergeStatistics,
  type LatentPrototypeOptions,
  resolveLatentPrototype,
  type Router,
  type RouteContext,
  type RouterOptions,
  routerTraits,
  type Routing,
  statisticsOf,
  todaysSwitches,
} from '../src/index.ts';
import { dispose } from './routed.ts';
import { device, dot, key, loadOf, makeRouter, softmax, toMatrix, unit } from './support.ts';

const shape = { hidden: 12, experts: 6, topK: 2 };
const options = (
  preset: keyof typeof latentPrototypePresets,
  overrides: Partial<LatentPrototypeOptions> = {},
): RouterOptions => ({ kind: 'latentPrototype', ...resolveLatentPrototype(preset, { latentDim: 4, ...overrides }) });

describe('resolveLatentPrototype', () => {
  it('changes what it is told to and nothing else', () => {
    expect(resolveLatentPrototype('corrected', { temperature: 2 })).toEqual({
      ...latentPrototypePresets.corrected,
      temperature: 2,
    });
  });

  it.each([
    [{ latentDim: 1.5 }, 'latentDim must be a whole number from 1 to 2147483647, got 1.5'],
    [{ vocabulary: -1 }, 'vocabulary must be a whole number from 0 to 2147483647, got -1'],
    [{ temperature: 0 }, 'temperature must be a finite number above 0, got 0'],
    [{ klWeight: -1 }, 'klWeight must be a finite number of at least 0, got -1'],
    [{ outProjection: 1 }, 'outProjection must be true or false, got 1'],
    [{ alignment: 'l2' }, 'alignment must be one of paper, official, assignedMean, got "l2"'],
    [{ temprature: 2 }, 'temprature must be one of the settings vocabulary, precedingLatents, measure'],
  ])('rejects %j', (overrides, message) => {
    expect(() => resolveLatentPrototype('corrected', overrides as Partial<LatentPrototypeOptions>)).toThrow(message);
  });
});

describe('LatentPrototypeRouter', () => {
  it('scores by cosine times temperature, also of a token whose latent is zero', async () => {
    const router = makeRouter(options('corrected', { temperature: 5 }), shape);
    await scope(device, async () => {
      const x = tensor(device, new Float32Array(3 * 12), [3, 12]);
      assign(x, [...Array.from({ length: 24 }, (_, i) => Math.sin(i * i)), ...Array.from({ length: 12 }, () => 1)]);
      const { scores, details, weights } = router.route(x, { training: true });
      const latents = await toMatrix(details!['mu']!);
      const keys = await toMatrix(router.parameters.get('expert_keys')!);
      // A constant token is zero after LayerNorm, and the encoder starts without bias.
      expect(latents[2]).toEqual([0, 0, 0, 0]);
      (await toMatrix(scores)).forEach((row, t) =>
        row.forEach((score, e) => expect(score).toBeCloseTo(5 * dot(unit(latents[t]!), unit(keys[e]!)), 5)),
      );
      expect((await toMatrix(weights))[2]).toEqual([0.5, 0.5]);
    });
    dispose(router);
  });

  it('adds to each mean the row of the token id, where it has a table', async () => {
    const plain = makeRouter(options('corrected'), shape);
    const router = makeRouter(options('tokens', { vocabulary: 7 }), shape);
    for (const [name, tensor] of plain.parameters) assign(router.parameters.get(name)!, tensor);
    const ids = [6, 0, 3, 0, 6];
    await scope(device, async () => {
      const x = randomNormal(device, [5, 12], key);
      const tokenIds = cast(tensor(device, ids, [5]), 'i32');
      const table = await toMatrix(router.parameters.get('token_latents')!);
      expect(table).toHaveLength(7);
      // Drawn from N(0, I): of 28 numbers the mean square is 1 give or take 0.27.
      const drawn = table.flat();
      expect(Math.abs(drawn.reduce((sum, value) => sum + value * value, 0) / 28 - 1)).toBeLessThan(0.6);
      expect(new Set(drawn).size).toBe(28);
      const seen = await toMatrix(plain.route(x, { training: false }).details!['mu']!);
      const keys = await toMatrix(router.parameters.get('expert_keys')!);
      const { scores, details } = router.route(x, { training: false, tokenIds });
      const means = await toMatrix(details!['mu']!);
      const rows = await toMatrix(scores);
      ids.forEach((id, t) => {
        table[id]!.forEach((value, d) => expect(means[t]![d]).toBeCloseTo(seen[t]![d]! + value, 5));
        rows[t]!.forEach((score, e) => expect(score).toBeCloseTo(2 * dot(unit(means[t]!), unit(keys[e]!)), 4));
      });
      expect(() => router.route(x, { training: false })).toThrow(
        'latentPrototype router: routes by the vocabulary; give context.tokenIds, i32 [5], got none',
      );
      expect(() => router.route(x, { training: false, tokenIds: slice(tokenIds, 0, 0, 3) })).toThrow(
        'give context.tokenIds, i32 [5], got ',
      );
    });
    dispose(plain);
    dispose(router);
  });

  it('adds to each mean the row of the id before it in its sequence, where it has a table for that', async () => {
    const plain = makeRouter(options('tokens', { vocabulary: 7 }), shape);
    const router = makeRouter(options('tokens', { vocabulary: 7, precedingLatents: true }), shape);
    for (const [name, tensor] of plain.parameters) assign(router.parameters.get(name)!, tensor);
    const ids = [6, 0, 3, 0, 6, 2];
    await scope(device, async () => {
      const x = randomNormal(device, [6, 12], key);
      const tokenIds = cast(tensor(device, ids, [6]), 'i32');
      const table = await toMatrix(router.parameters.get('preceding_latents')!);
      expect(table).toHaveLength(8);
      const meansOf = async (of: typeof router, context: Partial<RouteContext> = {}): Promise<number[][]> =>
        toMatrix(of.route(x, { training: false, tokenIds, ...context }).details!['mu']!);
      const own = await meansOf(plain);
      const expectRows = (means: number[][], before: readonly number[]): void =>
        before.forEach((id, t) =>
          table[id]!.forEach((value, d) => expect(means[t]![d]).toBeCloseTo(own[t]![d]! + value, 5)),
        );
      // One sequence, two, three, six; 7 is the row for none.
      expectRows(await meansOf(router), [7, 6, 0, 3, 0, 6]);
      expectRows(await meansOf(router, { sequence: 3 }), [7, 6, 0, 7, 0, 6]);
      expectRows(await meansOf(router, { sequence: 1 }), [7, 7, 7, 7, 7, 7]);
      const idsBefore = cast(tensor(device, [5, 1, 4], [3]), 'i32');
      expectRows(await meansOf(router, { sequence: 2, idsBefore }), [5, 6, 1, 3, 4, 6]);
      for (const context of [{ sequence: 4 }, { sequence: 3, idsBefore }]) {
        expect(() => router.route(x, { training: false, tokenIds, ...context })).toThrow(
          `latentPrototype router: reads the token before each; give whole sequences and, where they go on, context.idsBefore, i32 [sequences]; got 6 tokens of sequences of ${context.sequence} and ${'idsBefore' in context ? String(idsBefore) : 'no ids before'}`,
        );
      }
    });
    expect(routerTraits(options('tokens', { precedingLatents: true })).reads).toEqual({
      training: 'tokenBefore',
      evaluation: 'tokenBefore',
    });
    expect(() => makeRouter(options('corrected', { precedingLatents: true }), shape)).toThrow(
      'precedingLatents needs vocabulary, the number of token ids; got 0',
    );
    dispose(plain);
    dispose(router);
  });

  it('selects by score plus bias and weights by score alone', async () => {
    const router = makeRouter(options('corrected'), shape);
    assign(router.buffers.get('selection_bias')!, [0, 0, 0, 100, 200, 0]);
    await scope(device, async () => {
      const { experts, weights, scores } = router.route(randomNormal(device, [5, 12], key), { training: false });
      const all = await toMatrix(scores);
      (await toMatrix(experts)).forEach((chosen) => expect(chosen).toEqual([4, 3]));
      (await toMatrix(weights)).forEach(([first], t) =>
        expect(first).toBeCloseTo(1 / (1 + Math.exp(all[t]![3]! - all[t]![4]!)), 5),
      );
    });
    dispose(router);
  });

  it('moves the selection bias towards experts below the mean load', async () => {
    const router = makeRouter(options('corrected', { selectionBiasRate: 0.25 }), { ...shape, experts: 3 });
    scope(device, () => [1, 2].forEach(() => router.afterStep(loadOf([4, 3, 2]))));
    expect(Array.from(await router.buffers.get('selection_bias')!.data())).toEqual([-0.5, 0, 0.5]);
    dispose(router);
  });

  it.each(['paper', 'official', 'corrected'] as const)(
    '%s: evaluation has no noise and no loss terms',
    async (preset) => {
      const router = makeRouter(options(preset), shape);
      await scope(device, async () => {
        const { losses, details } = router.route(randomNormal(device, [5, 12], key), { training: false });
        expect(losses).toEqual([]);
        expect(await details!['z']!.data()).toEqual(await details!['mu']!.data());
      });
      dispose(router);
    },
  );

  it('asks for noise of the right shape where it samples', () => {
    const router = makeRouter(options('paper'), shape);
    scope(device, () => {
      const x = randomNormal(device, [5, 12], key);
      expect(() => router.route(x, { training: true })).toThrow('give context.noise');
      expect(() => router.route(x, { training: true, noise: x })).toThrow('noise must be [5, 4], got [5, 12]');
    });
    router.parameters.forEach((x) => x.dispose());
  });
});

describe('what a routing tells of itself', () => {
  const detailsOf = async (changes: Partial<LatentPrototypeOptions>, training: boolean): Promise<string[]> => {
    const router = makeRouter(options('corrected', changes), shape);
    const names = scope(device, () => {
      const x = randomNormal(device, [5, shape.hidden], key);
      return Object.keys(router.route(x, { training, noise: key }).details!).sort();
    });
    [...router.parameters.values(), ...router.buffers.values()].forEach((tensor) => tensor.dispose());
    return names;
  };

  it('is what it computed on the way, and nothing more', async () => {
    const always = ['logvar', 'mu', 'z'];
    expect(await detailsOf({ alignment: 'assignedMean' }, true)).toEqual(always);
    expect(await detailsOf({ alignment: 'paper' }, true)).toEqual(['aggregate', ...always]);
    expect(await detailsOf({ alignment: 'paper' }, false)).toEqual(always);
    expect(await detailsOf({ outProjection: true }, false)).toEqual(['aggregate', ...always, 'z_decoded']);
    expect(await detailsOf({ groups: 2, keptGroups: 1 }, false)).toEqual(['logvar', 'mu', 'selection', 'z']);
  });

  it('is a projection that experts read beside the token, where there is one', async () => {
    const router = makeRouter(options('corrected', { outProjection: true }), shape);
    await scope(device, async () => {
      const x = randomNormal(device, [5, shape.hidden], key);
      const { expertInput, details } = router.route(x, { training: false });
      const [own, projected] = [await toMatrix(x), await toMatrix(details!['z_decoded']!)];
      for (const [token, row] of (await toMatrix(expertInput!)).entries()) {
        row.forEach((value, d) => expect(value).toBeCloseTo(own[token]![d]! + projected[token]![d]!, 5));
      }
    });
    [...router.parameters.values(), ...router.buffers.values()].forEach((tensor) => tensor.dispose());
  });

  it('keeps to the best groups of experts with or without a selection bias', async () => {
    for (const selectionBiasRate of [0, 0.1]) {
      const router = makeRouter(options('corrected', { groups: 2, keptGroups: 1, selectionBiasRate }), shape);
      await scope(device, async () => {
        const routing = router.route(randomNormal(device, [40, shape.hidden], key), { training: false });
        const scores = await toMatrix(routing.scores);
        const half = shape.experts / 2;
        const merit = (row: readonly number[]): number =>
          row
            .toSorted((a, b) => b - a)
            .slice(0, 2)
            .reduce((a, b) => a + b);
        for (const [token, own] of (await toMatrix(routing.experts)).entries()) {
          const groups = [scores[token]!.slice(0, half), scores[token]!.slice(half)];
          const best = merit(groups[0]!) >= merit(groups[1]!) ? 0 : 1;
          expect(own.every((expert) => Math.floor(expert / half) === best)).toBe(true);
        }
      });
      [...router.parameters.values(), ...router.buffers.values()].forEach((tensor) => tensor.dispose());
    }
  });
});

describe('prototypes outside of the gradient', () => {
  const tokens = 9;
  const parts = [
    [0, 4],
    [4, 9],
  ] as const;

  /** Routes a batch in two micro-batches, updates, and gives keys before and after, latents, scores and choices. */
  async function step(overrides: Partial<LatentPrototypeOptions>): Promise<{
    before: number[][];
    after: number[][];
    mu: number[][];
    scores: number[][];
    chosen: number[][];
    router: Router;
  }> {
    const router = makeRouter(options('corrected', overrides), shape);
    const keys = router.parameters.get('expert_keys')!;
    const before = await toMatrix(keys);
    const read = await scope(device, async () => {
      const x = randomNormal(device, [tokens, 12], key, 2);
      // Evaluation leaves everything as it is.
      router.route(x, { training: false });
      const routings = parts.map(([from, to]) => router.route(slice(x, 0, from, to), { training: true }));
      const all = async (of: (routing: Routing) => Tensor): Promise<number[][]> =>
        (await Promise.all(routings.map((routing) => toMatrix(of(routing))))).flat();
      const result = {
        mu: await all(({ details }) => details!['mu']!),
        scores: await all(({ scores }) => scores),
        chosen: await all((routing) => routing.experts),
      };
      router.afterStep(mergeStatistics(routings.map((routing) => [statisticsOf(routing)]))[0]!);
      return result;
    });
    return { before, after: await toMatrix(keys), router, ...read };
  }

  it.each(['hard', 'soft'] as const)('%s averages run over all micro-batches of a step', async (ema) => {
    const { before, after, mu, scores, chosen, router } = await step({ ema, emaDecay: 0.75 });
    before.forEach((prototype, e) => {
      const shares = mu.map((_, t) => (ema === 'soft' ? softmax(scores[t]!)[e]! : Number(chosen[t]!.includes(e))));
      const mass = shares.reduce((a, b) => a + b, 0);
      prototype.forEach((value, d) => {
        const centre = mass === 0 ? value : mu.reduce((sum, row, t) => sum + shares[t]! * row[d]!, 0) / mass;
        expect(after[e]![d]).toBeCloseTo(0.75 * value + 0.25 * centre, 5);
      });
    });
    dispose(router);
  });

  it('moves sums and counts as the released code does, from counts of 0', async () => {
    const { before, after, mu, scores, chosen, router } = await step({ ema: 'official', emaDecay: 0.5 });
    before.forEach((prototype, e) => {
      const shares = mu.map((_, t) => softmax(chosen[t]!.map((c) => scores[t]![c]!))[chosen[t]!.indexOf(e)] ?? 0);
      const mass = 0.5 * shares.reduce((a, b) => a + b, 0);
      if (mass === 0) return;
      prototype.forEach((value, d) => {
        const sum = 0.5 * value + 0.5 * mu.reduce((total, row, t) => total + shares[t]! * row[d]!, 0);
        expect(after[e]![d]! / (sum / mass)).toBeCloseTo(1, 4);
      });
    });
    dispose(router);
  });

  it('keeps prototypes on the unit sphere, where asked to', async () => {
    const { after, router } = await step({ ema: 'hard', emaDecay: 0.1, unitBallConstraint: true });
    for (const row of after) expect(dot(row, row)).toBeCloseTo(1, 5);
    dispose(router);
  });
});

describe('the start of the prototypes', () => {
  const keysOf = async (start: LatentPrototypeOptions['prototypeStart'], experts: number): Promise<number[][]> => {
    const router = makeRouter(options('corrected', { latentDim: 8, prototypeStart: start }), { ...shape, experts });
    const keys = await toMatrix(router.parameters.get('expert_keys')!);
    [...router.parameters.values(), ...router.buffers.values()].forEach((each) => each.dispose());
    return keys;
  };
  const lengths = (rows: readonly (readonly number[])[]): number[] => rows.map((row) => Math.sqrt(dot(row, row)));

  it('is on the sphere, or as normal numbers come, in the same directions', async () => {
    const [sphere, normal] = [await keysOf('sphere', 200), await keysOf('normal', 200)];
    for (const length of lengths(sphere)) expect(length).toBeCloseTo(1, 5);
    normal.forEach((row, e) => unit(row).forEach((x, d) => expect(x).toBeCloseTo(sphere[e]![d]!, 5)));
    const squares = normal.map((row) => dot(row, row));
    expect(squares.reduce((a, b) => a + b) / (200 * 8)).toBeCloseTo(1, 1);
    expect(Math.max(...lengths(normal)) - Math.min(...lengths(normal))).toBeGreaterThan(1);
  });

  it('is orthogonal: prototypes at right angles where there is room, otherwise dimensions', async () => {
    const few = await keysOf('orthogonal', 5);
    few.forEach((a, i) => few.forEach((b, j) => expect(dot(a, b)).toBeCloseTo(i === j ? 1 : 0, 4)));
    const many = await keysOf('orthogonal', 24);
    const columns = many[0]!.map((_, d) => many.map((row) => row[d]!));
    columns.forEach((a, i) => columns.forEach((b, j) => expect(dot(a, b)).toBeCloseTo(i === j ? 24 / 8 : 0, 4)));
    expect(many.reduce((sum, row) => sum + dot(row, row), 0) / 24).toBeCloseTo(1, 4);
  });

  it('has the names that earlier versions stored', () => {
    expect(todaysSwitches({ unitBall: true, latentDim: 3 })).toEqual({ prototypeStart: 'sphere', latentDim: 3 });
    expect(todaysSwitches({ unitBall: false })).toEqual({ prototypeStart: 'normal' });
    expect(todaysSwitches({ prototypeStart: 'orthogonal' })).toEqual({ prototypeStart: 'orthogonal' });
    expect(todaysSwitches({ unitBall: 'yes' })).toEqual({ unitBall: 'yes' });
  });

  it('of what a measure learns is neutral, or as wide as keeps the length of a latent', async () => {
    const learned = async (measure: LatentPrototypeOptions['measure'], name: string): Promise<number[]> => {
      const router = makeRouter(options('corrected', { measure, latentDim: 16, attentionProjections: true }), shape);
      const values = Array.from(await router.parameters.get(`similarity_func.${name}`)!.data());
      [...router.parameters.values(), ...router.buffers.values()].forEach((tensor) => tensor.dispose());
      return values;
    };
    expect(await learned('mahalanobis', 'log_sigma')).toEqual(Array(16).fill(0));
    for (const side of ['q', 'k']) {
      const weights = await learned('attention', `${side}_proj.weight`);
      expect(weights).toHaveLength(256);
      // N(0, 1/16): the mean square of 256 of them strays by 9 per cent.
      const meanSquare = weights.reduce((total, weight) => total + weight ** 2, 0) / 256;
      expect(Math.abs(16 * meanSquare - 1)).toBeLessThan(0.35);
      // Numbers drawn one by one, not rows of length 1.
      const first = weights.slice(0, 16).reduce((total, weight) => total + weight ** 2, 0);
      expect(Math.abs(first - 1)).toBeGreaterThan(0.01);
      expect(await learned('attention', `${side}_proj.bias`)).toEqual(Array(16).fill(0));
      expect(await learned('attention', `${side}_norm.weight`)).toEqual(Array(16).fill(1));
    }
  });
});

describe('group-limited selection', () => {
  it('chooses within the best groups and scales the weights', async () => {
    const router = makeRouter(options('corrected', { groups: 3, keptGroups: 1, weightScale: 2.5 }), shape);
    await scope(device, async () => {
      const { experts, scores, weights } = router.route(randomNormal(device, [7, 12], key), { training: false });
      const all = await toMatrix(scores);
      (await toMatrix(experts)).forEach((chosen, t) => {
        const merit = [0, 1, 2].map((g) => all[t]![2 * g]! + all[t]![2 * g + 1]!);
        const best = merit.indexOf(Math.max(...merit));
        expect([...chosen].sort()).toEqual([2 * best, 2 * best + 1]);
      });
      (await toMatrix(weights)).forEach(([a, b]) => expect(a! + b!).toBeCloseTo(2.5, 5));
    });
    dispose(router);
    expect(() => makeRouter(options('corrected', { groups: 4, keptGroups: 1 }), shape)).toThrow(
      'groups must divide the 6 experts',
    );
    expect(() => makeRouter(options('corrected', { measure: 'attention', attentionHeads: 3 }), shape)).toThrow(
      'attentionHeads must divide latentDim (4), got 3',
    );
  });
});

describe('createParameters', () => {
  it('draws each parameter from a stream of its own name, whatever stands around it', async () => {
    const before = device.memory.liveBuffers;
    const a = { name: 'a', shape: [3, 4], initial: { kind: 'normal', std: 0.5 }, trained: true } as const;
    const b = { name: 'b', shape: [2, 4], initial: { kind: 'unitRows' }, trained: true } as const;
    const c = { name: 'c', shape: [2, 4], initial: { kind: 'copy', of: 'b' }, trained: false } as const;
    const together = createParameters(device, [a, b, c], key);
    const alone = createParameters(device, [b], key);
    expect(await together.get('b')!.data()).toEqual(await alone.get('b')!.data());
    expect(await together.get('c')!.data()).toEqual(await alone.get('b')!.data());
    expect(together.get('c')!.requiresGrad).toBe(false);
    for (const row of await toMatrix(alone.get('b')!)) expect(dot(row, row)).toBeCloseTo(1, 5);
    [...together.values(), ...alone.values()].forEach((x) => x.dispose());
    expect(device.memory.liveBuffers).toBe(before);
  });
});
