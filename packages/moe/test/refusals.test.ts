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
    ['count', 2, [1, 7], [0, 1.5, -1, null, '3'], 'at least'],
    ['countOrNull', 2, [1, 7, null], [0, 1.5, -1, '3'], 'at least'],
    ['positive', 2, [1e-9, 7], [0, -1, Infinity, Number.NaN], 'above 0|a finite number of at least 0'],
    ['share', 0.5, [0, 0.3, 1], [1.01, -0.1], 'a number from 0 to 1|a finite number of at least 0'],
    [undefined, 2, [0, 1.5, 1e9], [-1, Infinity, '2', true], 'a finite number of at least 0'],
    [undefined, true, [true, false], [0, 1, 'true', null], 'true or false'],
    [undefined, 'fixed', ['fixed'], ['other', 1], '"fixed"'],
    [['a', 'b'], 'a', ['a', 'b'], ['c', 1], 'one of a, b'],
  ])('takes values by the rule %j (default %j)', (rule, initial, fit, unfit, words) => {
    for (const value of fit) expect(resolve(rule, initial, value)()).toEqual({ field: value });
    for (const value of unfit) {
      expect(resolve(rule, initial, value)).toThrow(new RegExp(`^m: field must be .*(${words})`));
      expect(resolve(rule, initial, value)).toThrow(`, got ${JSON.stringify(value)}`);
    }
  });

  it('names a whole number where null would do as well, and says so', () => {
    expect(resolve('count', 2, 0)).toThrow('field must be a whole number of at least 1, got 0');
    expect(resolve('countOrNull', 2, 0)).toThrow('field must be a whole number of at least 1, or null, got 0');
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
        'must be [tokens, 4], got [2, 4, 1]',
      );
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
