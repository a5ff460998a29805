/** What does not fit is refused by name, and what only just fits is not. */
import { cast, scope, type Tensor, tensor, zeros } from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import { describe, expect, it } from 'vitest';
import { checkExact } from '../src/choices.ts';
import {
  checkRouter,
  drawNoise,
  expertParameters,
  loadBalancingLosses,
  mergeStatistics,
  MoeLayer,
  type OptionRule,
  resolveOptions,
  resolveRouter,
  type RouterKind,
  routerMethods,
  routerTraits,
  type Routing,
  topKFor,
} from '../src/index.ts';
import { sequenceLoadBalancing } from '../src/losses/load-balancing.ts';
import { checkGroups, limitToBestGroups } from '../src/selection.ts';
import { overWhole } from '../src/statistics.ts';
import { dispose } from './routed.ts';
import { device, key, loadOf, makeRouter, toMatrix, toTensor } from './support.ts';

describe('resolveOptions', () => {
  const resolve = (rule: OptionRule | undefined, initial: unknown, value: unknown) => () =>
    resolveOptions<{ field: unknown }>('m', { field: initial }, rule === undefined ? {} : { field: rule }, {
      field: value,
    });

  it.each<[OptionRule | undefined, unknown, readonly unknown[], readonly unknown[], string]>([
    ['count', 2, [1, 7, 2 ** 31 - 1], [0, 1.5, -1, null, '3', 2 ** 31], 'a whole number from 1 to 2147483647'],
    [
      'countOrNull',
      2,
      [1, 7, null, 2 ** 31 - 1],
      [0, 1.5, '3', 2 ** 31],
      'a whole number from 1 to 2147483647, or null',
    ],
    ['rounds', 2, [1, 4096], [0, 1.5, 4097, 1e12, null], 'a whole number from 1 to 4096'],
    ['positive', 2, [1e-9, 7], [0, -1, Infinity, Number.NaN, null, '1'], 'a finite number above 0'],
    ['share', 0.5, [0, 0.3, 1], [1.01, -0.1, Number.NaN], 'a number from 0 to 1'],
    [{ above: 1 }, 2, [1.001, 1e300], [1, 0.5, Infinity], 'a finite number above 1'],
    [{ from: 2, to: 3 }, 2, [2, 2.5, 3], [1.99, 3.01, null], 'a number from 2 to 3'],
    [{ whole: true, from: 0 }, 2, [0, 1e300], [-1, 0.5], 'a whole number of at least 0'],
    [undefined, 2, [0, 1.5, 1e9], [-1, Infinity, '2', true, null], 'a finite number of at least 0'],
    [undefined, true, [true, false], [0, 1, 'true', null], 'true or false'],
    [undefined, 'fixed', ['fixed'], ['other', 1], '"fixed"'],
    [['a', 'b'], 'a', ['a', 'b'], ['c', 1], 'one of a, b'],
  ])('takes values by the rule %j (default %j)', (rule, initial, fit, unfit, words) => {
    for (const value of fit) expect(resolve(rule, initial, value)()).toEqual({ field: value });
    for (const value of unfit) {
      const got = typeof value === 'number' ? String(value) : JSON.stringify(value);
      expect(resolve(rule, initial, value)).toThrow(new RangeError(`m: field must be ${words}, got ${got}`));
    }
  });

  it('knows no settings but its own, such as those that every object has', () => {
    for (const field of ['toString', 'constructor', '__proto__', 'fields']) {
      const overrides = JSON.parse(`{ "${field}": 5 }`) as object;
      expect(() =>
        resolveOptions<{ field?: number; other?: number }>('m', { field: 1, other: 2 }, {}, overrides),
      ).toThrow(new RangeError(`m: ${field} must be one of the settings field, other, got 5`));
    }
  });

  it('shows what it got whatever it is, as far as a line holds it', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    for (const [value, text] of [
      [deep, 'something nested too deeply to be shown'],
      [undefined, 'nothing'],
      [5n, '5'],
      [() => 1, 'a function'],
      ['a'.repeat(198), `"${'a'.repeat(198)}"`],
      ['a'.repeat(199), `"${'a'.repeat(199)}...`],
    ] as const) {
      expect(resolve('count', 2, value)).toThrow(
        new RangeError(`m: field must be a whole number from 1 to 2147483647, got ${text}`),
      );
    }
  });

  it('has a ceiling for whatever routers count, and for how often they repeat something', () => {
    const refused: [RouterKind, object, string][] = [
      ['sinkhorn', { rounds: 1e12 }, 'rounds must be a whole number from 1 to 4096, got 1000000000000'],
      ['base', { priceRounds: 4097 }, 'priceRounds must be a whole number from 1 to 4096'],
      ['base', { bidRounds: 4097 }, 'bidRounds must be a whole number from 1 to 4096'],
      ['quantileBalancing', { rounds: 4097 }, 'rounds must be a whole number from 1 to 4096'],
      ['hash', { vocabulary: 1e18 }, 'vocabulary must be a whole number from 1 to 2147483647'],
      ['adamoe', { nullExperts: 1e300 }, 'nullExperts must be a whole number from 1 to 2147483647, got 1e+300'],
      ['latentPrototype', { latentDim: 1e300 }, 'latentDim must be a whole number from 1 to 2147483647'],
    ];
    for (const [kind, overrides, message] of refused) {
      expect(() => resolveRouter(kind, overrides)).toThrow(`${kind}: ${message}`);
    }
  });

  it("keeps ReMoE's penalty where f32 can move it, and its factor above 1", () => {
    for (const initialPenalty of [1e-30, 1e30]) {
      expect(resolveRouter('remoe', { initialPenalty })).toHaveProperty('initialPenalty', initialPenalty);
    }
    for (const initialPenalty of [0, 9e-31, 1.1e30]) {
      expect(() => resolveRouter('remoe', { initialPenalty })).toThrow(
        `remoe: initialPenalty must be a number from 1e-30 to 1e+30, got ${initialPenalty}`,
      );
    }
    for (const penaltyFactor of [0.5, 1]) {
      expect(() => resolveRouter('remoe', { penaltyFactor })).toThrow(
        `remoe: penaltyFactor must be a finite number above 1, got ${penaltyFactor}`,
      );
    }
  });
});

it('counts of more slots than f32 holds exactly are refused', () => {
  expect(() => checkExact('here', 2 ** 24 - 1)).not.toThrow();
  expect(() => checkExact('here', 2 ** 24)).toThrow('here: 16777216 slots');
  expect(() => checkExact('here', 2 ** 24)).toThrow('at most 16777215 work');
});

it('a router keeps what it trains apart from its buffers', () => {
  const router = makeRouter(resolveRouter('deepSeekV3'), { hidden: 3, experts: 8, topK: 2 });
  expect([...router.parameters.keys()]).toEqual(['weight']);
  expect([...router.buffers.keys()]).toEqual(['e_score_correction_bias']);
  dispose(router);
});

describe('load-balancing losses', () => {
  const shape = { hidden: 4, experts: 4, topK: 2 };

  it('of no layers are none', () => {
    for (const scope of ['pooled', 'layer', 'globalBatch'] as const) expect(loadBalancingLosses([], scope)).toEqual([]);
  });

  it('name what a scope needs', () => {
    const router = makeRouter(resolveRouter('topKSoftmax'), shape);
    scope(device, () => {
      const routing = router.route(zeros(device, [6, 4]), { training: true });
      const { logits: _logits, balance: _balance, ...bare } = routing;
      expect(() => loadBalancingLosses([routing], 'sequence')).toThrow("scope 'sequence' needs context.sequence");
      expect(() => loadBalancingLosses([routing], 'sequence', { sequence: 4 })).toThrow(
        '6 tokens are not a whole number of sequences of 4',
      );
      expect(() => loadBalancingLosses([routing], 'globalBatch', { whole: [] })).toThrow('must be of 1 layers, got 0');
      expect(() => loadBalancingLosses([routing], 'globalBatch', { whole: [loadOf([1, 1])] })).toThrow(
        'have no sums "auxiliary"',
      );
      expect(() => loadBalancingLosses([routing, bare], 'layer')).toThrow('layer 1 gives no probabilities');
      const { probabilities, choices, counts } = routing.balance ?? {
        probabilities: routing.scores,
        choices: routing.experts,
        counts: routing.counts,
      };
      expect(() => sequenceLoadBalancing({ probabilities, choices, counts }, 3)).not.toThrow();
    });
    dispose(router);
  });
});

describe('replay', () => {
  it('takes a row for each token, weights of the same shape, and no training', async () => {
    const shape = { hidden: 3, experts: 4, topK: 2 };
    const router = makeRouter(resolveRouter('topKSoftmax'), shape);
    const weights = createParameters(device, expertParameters({ hidden: 3, experts: 4, width: 2 }), key);
    const layer = new MoeLayer(router, weights);
    await scope(device, async () => {
      const x = toTensor([[1, 2, 3], [0, 1, -1]]); // biome-ignore format: tokens
      const numbers = (values: number[], extents: number[]): Tensor =>
        cast(tensor(device, Float32Array.from(values), extents), 'i32');
      const floats = (extents: number[]): Tensor => zeros(device, extents);
      const refused: [Tensor, Tensor][] = [
        [numbers([0, 1], [2]), floats([2])],
        [numbers([0, 1, 2], [3, 1]), floats([3, 1])],
        [numbers([0, 1], [1, 2]), floats([1, 2])],
        [numbers([0, 1, 2, 3], [2, 2]), floats([2, 1])],
        [numbers([0, 1], [2, 1]), floats([2, 2])],
      ];
      for (const [experts, own] of refused) {
        const replay = { experts, weights: own };
        expect(() => layer.forward(x, { training: false, replay })).toThrow(
          `replay.experts and replay.weights must be [2, slots], got [${experts.shape.join(', ')}] and [${own.shape.join(', ')}]`,
        );
      }
      const replay = { experts: numbers([3, 1, 4, 0], [2, 2]), weights: floats([2, 2]) };
      expect(() => layer.forward(x, { training: true, replay })).toThrow('recorded routing is for evaluation');
      const { routing } = layer.forward(x, { training: false, replay });
      expect(Array.from(await routing.counts.data())).toEqual([1, 1, 0, 1]);
      expect(routing.unused).toEqual([]);
    });
    dispose(router);
    weights.forEach((each) => each.dispose());
  });
});

describe('routers', () => {
  const shape = { hidden: 4, experts: 4, topK: 2 };

  it('are checked before any tensor is made', () => {
    expect(() => checkRouter(resolveRouter('topKSoftmax'), { ...shape, topK: 5 })).toThrow('there are only 4 experts');
    expect(() => checkRouter(resolveRouter('topKSoftmax'), shape)).not.toThrow();
  });

  it('take tokens as rows', () => {
    const router = makeRouter(resolveRouter('topKSoftmax'), shape);
    scope(device, () => {
      expect(() => router.route(zeros(device, [2, 4, 1]), { training: false })).toThrow(
        'must be [tokens, 4] with at least one token, got [2, 4, 1]',
      );
    });
    dispose(router);
  });

  it.each(Object.keys(routerMethods) as RouterKind[])('take at least one token: %s', (kind) => {
    const options = resolveRouter(kind);
    const router = makeRouter(options, { ...shape, topK: topKFor(routerTraits(options), shape) });
    scope(device, () => {
      const route = (tokens: number, training: boolean): Routing =>
        router.route(zeros(device, [tokens, 4]), { training, noise: key, tokenIds: zeros(device, [tokens], 'i32') });
      for (const training of [true, false]) {
        expect(() => route(0, training)).toThrow(
          new RangeError(`${kind} router: x must be [tokens, 4] with at least one token, got [0, 4]`),
        );
        expect(route(1, training).experts.shape[0]).toBe(1);
      }
    });
    dispose(router);
  });

  it('of hash need the number of each token in the vocabulary', () => {
    const router = makeRouter(resolveRouter('hash'), shape);
    expect(router.parameters.size).toBe(0);
    scope(device, () => {
      const tokenIds = cast(zeros(device, [2]), 'i32');
      const x = zeros(device, [3, 4]);
      expect(() => router.route(x, { training: false })).toThrow('tokenIds');
      expect(() => router.route(x, { training: false, tokenIds })).toThrow('tokenIds');
    });
    dispose(router);
  });
});

describe('groups of experts', () => {
  it('divide them, and those kept are no more than there are and hold k', () => {
    const check =
      (groups: number, keptGroups: number, k = 2) =>
      () =>
        checkGroups('m', { groups, keptGroups }, 6, k);
    expect(check(4, 1)).toThrow('groups must divide the 6 experts into equal parts, got 4');
    expect(check(3, 4)).toThrow('keptGroups must be at most groups (3), and hold at least topK (2)');
    expect(check(6, 1)).toThrow('got 1');
    for (const fits of [check(3, 3), check(3, 1), check(6, 2), check(1, 1, 6)]) expect(fits).not.toThrow();
  });

  it('may be single experts', async () => {
    await scope(device, async () => {
      const kept = limitToBestGroups(toTensor([[3, 1, 2, 0]]), { groups: 4, keptGroups: 2 });
      expect((await toMatrix(kept))[0]!.map((score) => (score > -1e29 ? score : null))).toEqual([3, null, 2, null]);
    });
  });
});

it('statistics of no parts are refused, and those that lack what is read of them', () => {
  expect(() => mergeStatistics([])).toThrow('got no parts');
  scope(device, () => {
    const [own, known] = [zeros(device, [1]), zeros(device, [2])];
    const part = { first: 0, tokens: 4, statistics: { tokens: 4, sums: { known }, rows: {} } };
    expect(overWhole(undefined, 'sums', 'known', own)).toBe(own);
    expect(overWhole({ first: 0, tokens: 4 }, 'sums', 'known', own)).toBe(own);
    expect(overWhole(part, 'sums', 'known', own)).toBe(known);
    expect(() => overWhole(part, 'rows', 'known', own)).toThrow('the whole batch have no rows "known"');
  });
});

describe('drawNoise', () => {
  it('draws from the distribution asked for, of the whole batch where x is a part', async () => {
    await scope(device, async () => {
      const like = zeros(device, [1]);
      const draw = (distribution: 'normal' | 'uniform', rows: number, part?: { first: number; tokens: number }) =>
        drawNoise('m', distribution, like, [rows, 5], { training: true, noise: key, ...(part ? { part } : {}) }).data();
      const uniform = Array.from(await draw('uniform', 400));
      expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...uniform)).toBeLessThan(1);
      expect(Math.abs(uniform.reduce((a, b) => a + b) / 2000 - 0.5)).toBeLessThan(0.03);
      const normal = Array.from(await draw('normal', 400));
      expect(Math.abs(normal.reduce((a, b) => a + b * b, 0) / 2000 - 1)).toBeLessThan(0.15);
      for (const distribution of ['normal', 'uniform'] as const) {
        const whole = Array.from(await draw(distribution, 10));
        const part = await draw(distribution, 3, { first: 4, tokens: 10 });
        expect(Array.from(part)).toEqual(whole.slice(20, 35));
      }
    });
  });

  it('takes numbers of the right shape alone', () => {
    scope(device, () => {
      const like = zeros(device, [1]);
      const draw = (extents: number[]) => () =>
        drawNoise('m', 'normal', like, [3, 2], { training: true, noise: zeros(device, extents) });
      for (const extents of [[3], [3, 2, 1], [2, 3], [3, 1]])
        expect(draw(extents)).toThrow('noise must be [3, 2], got');
      expect(draw([3, 2])().shape).toEqual([3, 2]);
      expect(() => drawNoise('m', 'normal', like, [3, 2], { training: true })).toThrow('give context.noise');
    });
  });
});
