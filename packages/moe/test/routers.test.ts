/** Each method against its equation, written out with plain arrays. What all methods have in common is in the property tests. */
import { assign, backward, ones, RandomKey, randomNormal, scope, segmentPlan, sum, tensor, zeros } from '@lpr/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import {
  balancedAssignment,
  balancedPrices,
  createParameters,
  createRouter,
  expertParameters,
  MoeLayer,
  resolveRouter,
  type RouteContext,
  type Router,
  type RouterOptions,
  routerMethods,
  routerParameters,
  type Routing,
  runExperts,
  sinkhornFactors,
  smoothStep,
} from '../src/index.ts';
import { device, dot, key, makeRouter, type Matrix, mean, softmax, toMatrix, toTensor } from './support.ts';

afterAll(() => device.dispose());

const identity = (size: number): Matrix =>
  Array.from({ length: size }, (_, i) => Array.from({ length: size }, (__, j) => (i === j ? 1 : 0)));

/** A router whose weight is the identity, so that the tokens are its logits. */
function onLogits(options: RouterOptions, experts: number, topK: number): Router {
  const shape = { hidden: experts, experts, topK };
  const tensors = createParameters(device, routerParameters(options, shape), key);
  const weight = tensors.get('weight') ?? tensors.get('expert_centroids');
  if (weight !== undefined) assign(weight, identity(experts).flat());
  return createRouter(options, shape, tensors);
}

interface Read {
  readonly experts: number[][];
  readonly weights: number[][];
  readonly counts: number[];
  readonly losses: Readonly<Record<string, number>>;
  readonly unused: Readonly<Record<string, number>>;
  readonly routing: Routing;
}

/** Routes and reads back; `more` runs before the routing's tensors are freed. */
async function routed(
  router: Router,
  x: Matrix,
  context: RouteContext,
  more: (routing: Routing) => Promise<void> = () => Promise.resolve(),
): Promise<Read> {
  return scope(device, async () => {
    const routing = router.route(toTensor(x), context);
    const entries = <T>(pairs: readonly (readonly [string, T])[]): Record<string, T> => Object.fromEntries(pairs);
    const read = {
      experts: await toMatrix(routing.experts),
      weights: await toMatrix(routing.weights),
      counts: Array.from(await routing.counts.data()),
      losses: entries(
        await Promise.all(routing.losses.map(async ({ name, value }) => [name, await value.item()] as const)),
      ),
      unused: entries(
        await Promise.all(
          (routing.unused ?? []).map(async ({ reason, count }) => [reason, await count.item()] as const),
        ),
      ),
      routing,
    };
    await more(routing);
    return read;
  });
}

function dispose(router: Router): void {
  for (const each of [...router.parameters.values(), ...router.buffers.values()]) each.dispose();
}

const descending = (values: readonly number[]): number[] =>
  values.map((_, e) => e).sort((a, b) => values[b]! - values[a]! || a - b);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
async function normal(rows: number, columns: number, seed: number, scale = 1): Promise<number[][]> {
  return scope(device, () => toMatrix(randomNormal(device, [rows, columns], RandomKey.fromSeed(seed), scale)));
}

describe('resolveRouter', () => {
  it('changes defaults and names what does not fit', () => {
    expect(resolveRouter('switch', { jitter: 0 })).toEqual({ ...routerMethods.switch.defaults, jitter: 0 });
    expect(() => resolveRouter('switch', { jitter: 2 })).toThrow('switch: jitter must be a number from 0 to 1, got 2');
    expect(() => resolveRouter('swich' as never)).toThrow('router kind must be one of latentPrototype, topKSoftmax');
    expect(() => resolveRouter('adamoe', { nullExperts: 0 })).toThrow(
      'nullExperts must be a whole number of at least 1',
    );
    expect(() => makeRouter(resolveRouter('switch'), { hidden: 4, experts: 4, topK: 2 })).toThrow(
      'switch router: topK must be 1 for this method, got 2',
    );
  });
});

describe('deepSeekV3', () => {
  it('chooses by biased score within the best groups, and weights by score alone', async () => {
    const router = onLogits(resolveRouter('deepSeekV3', { groups: 4, keptGroups: 2 }), 8, 3);
    const bias = [0.1, 0, 0.3, 0, 0.2, 0, 0.05, 0.4];
    assign(router.buffers.get('e_score_correction_bias')!, bias);
    const x = await normal(12, 8, 3);
    const { experts, weights } = await routed(router, x, { training: false });
    x.forEach((row, t) => {
      const scores = row.map(sigmoid);
      const merit = scores.map((s, e) => s + bias[e]!);
      const groups = [0, 1, 2, 3].map((g) => merit[2 * g]! + merit[2 * g + 1]!);
      const kept = descending(groups).slice(0, 2);
      const order = descending(merit.map((m, e) => (kept.includes(Math.floor(e / 2)) ? m : -Infinity)));
      expect(experts[t]).toEqual(order.slice(0, 3));
      const chosen = experts[t]!.map((e) => scores[e]!);
      chosen.forEach((s, j) => expect(weights[t]![j]).toBeCloseTo((2.5 * s) / total(chosen), 5));
    });
    expect(() => onLogits(resolveRouter('deepSeekV3', { groups: 3 }), 8, 3)).toThrow(
      'groups must divide the 8 experts',
    );
    expect(() => onLogits(resolveRouter('deepSeekV3', { groups: 8, keptGroups: 2 }), 8, 3)).toThrow(
      'hold at least topK',
    );
    dispose(router);
  });

  it('has the sequence-wise loss, and moves its bias against the load', async () => {
    const router = onLogits(resolveRouter('deepSeekV3', { biasRate: 0.25 }), 3, 2);
    const x = await normal(8, 3, 4);
    const { losses } = await routed(router, x, { training: true, sequence: 4 });
    const ofSequence = (rows: Matrix): number => {
      const scores = rows.map((row) => row.map(sigmoid));
      return total(
        [0, 1, 2].map((e) => {
          const f = (3 / (2 * 4)) * scores.filter((row) => descending(row).slice(0, 2).includes(e)).length;
          return f * mean(scores.map((row) => row[e]! / total(row)));
        }),
      );
    };
    expect(losses['sequenceBalance']).toBeCloseTo(mean([ofSequence(x.slice(0, 4)), ofSequence(x.slice(4))]), 5);
    const counts = tensor(device, Int32Array.from([4, 3, 2]), [3]);
    router.afterStep(counts);
    counts.dispose();
    expect(Array.from(await router.buffers.get('e_score_correction_bias')!.data())).toEqual([-0.25, 0, 0.25]);
    dispose(router);
  });
});

describe('switch', () => {
  it('drops the tokens for which an expert has no place, in the order of the batch', async () => {
    const router = onLogits(resolveRouter('switch', { capacityFactor: 1, jitter: 0 }), 2, 1);
    const x = [
      [3, 0],
      [2, 0],
      [0, 1],
      [1, 0],
      [4, 0],
    ];
    const training = await routed(router, x, { training: true });
    // ceil(5 / 2) = 3 places: the fourth token for expert 0 is the last one.
    expect(training.experts).toEqual([[0], [0], [1], [0], [2]]);
    expect(training.counts).toEqual([3, 1]);
    expect(training.unused).toEqual({ dropped: 1 });
    training.weights.forEach(([w], t) => expect(w).toBeCloseTo(t === 4 ? 0 : Math.max(...softmax(x[t]!)), 5));
    const evaluation = await routed(router, x, { training: false });
    expect(evaluation.experts.flat()).toEqual([0, 0, 1, 0, 0]);
    expect(evaluation.unused).toEqual({ dropped: 0 });
    // f counts the choices before any is dropped.
    const p = x.map(softmax);
    const auxiliary = 2 * (0.8 * mean(p.map(([a]) => a!)) + 0.2 * mean(p.map(([, b]) => b!)));
    expect(training.losses['loadBalancing']).toBeCloseTo(auxiliary, 5);
    expect(training.losses['z']).toBeCloseTo(mean(x.map((row) => Math.log(total(row.map(Math.exp))) ** 2)), 4);
    dispose(router);
  });

  it('jitters what the router reads, in training only', async () => {
    const router = onLogits(resolveRouter('switch', { jitter: 0.5 }), 2, 1);
    const noise = toTensor([[0, 1]]);
    const read = await routed(router, [[1, 1]], { training: true, noise }, async ({ logits }) => {
      expect((await toMatrix(logits!))[0]).toEqual([0.5, 1.5]);
    });
    expect(read.experts).toEqual([[1]]);
    await routed(router, [[1, 1]], { training: false }, async ({ logits }) => {
      expect((await toMatrix(logits!))[0]).toEqual([1, 1]);
    });
    noise.dispose();
    dispose(router);
  });
});

describe('gshard', () => {
  it('serves first choices before second ones and keeps the second at random', async () => {
    const router = onLogits(resolveRouter('gshard'), 4, 2);
    const x = [
      [2, 1, 0, -1],
      [1, 2, 0, -1],
      [0, 1, 2, -1],
      [0, 3, 1, -1],
    ];
    // 2 * 4 / 4 = 2 places an expert. Expert 1 is first choice of tokens 1 and 3, and is full for the second choices of 0 and 2.
    const read = await routed(router, x, { training: false });
    expect(read.experts).toEqual([
      [0, 4],
      [1, 0],
      [2, 4],
      [1, 2],
    ]);
    expect(read.counts).toEqual([2, 2, 2, 0]);
    expect(read.unused).toEqual({ inactive: 0, dropped: 2 });
    const weights = x.map((row) => {
      const [first = 0, second = 0] = softmax(row).sort((a, b) => b - a);
      return [first / (first + second), second / (first + second)];
    });
    read.weights.forEach((row, t) =>
      row.forEach((w, j) => expect(w).toBeCloseTo(read.experts[t]![j] === 4 ? 0 : weights[t]![j]!, 5)),
    );
    // Seconds have weights of 0.27, 0.27, 0.27, 0.12: kept below 0.54 and 0.24.
    const noise = toTensor([[0.5], [0.6], [0.6], [0.2]]);
    const random = await routed(router, x, { training: true, noise });
    expect(random.experts.map(([, second]) => second)).toEqual([4, 4, 4, 2]);
    expect(random.unused).toEqual({ inactive: 2, dropped: 1 });
    const p = x.map(softmax);
    const first = [1, 2, 1, 0];
    const auxiliary = 4 * total([0, 1, 2, 3].map((e) => (first[e]! / 4) * mean(p.map((row) => row[e]!))));
    expect(random.losses['loadBalancing']).toBeCloseTo(auxiliary, 5);
    noise.dispose();
    dispose(router);
  });
});

describe('balancedPrices and balancedAssignment', () => {
  it('finds prices under which the k largest are balanced', async () => {
    const scores = (await normal(240, 6, 5)).map((row) => row.map((s, e) => sigmoid(s + e)));
    const loads = await scope(device, async () => {
      const prices = await balancedPrices(toTensor(scores), 2, toTensor([[0, 0, 0, 0, 0, 0]]), 20).data();
      expect(Math.abs(total(Array.from(prices)))).toBeLessThan(1e-5);
      const chosen = scores.map((row) => descending(row.map((s, e) => s - prices[e]!)).slice(0, 2)).flat();
      return [0, 1, 2, 3, 4, 5].map((e) => chosen.filter((c) => c === e).length);
    });
    // Without prices, expert 5 has nearly all tokens.
    for (const load of loads) expect(Math.abs(load - 80)).toBeLessThan(8);
  });

  it('assigns exactly evenly, with nearly the largest total', async () => {
    /** The largest total of all balanced assignments of 6 tokens to 3 experts, by trying them. */
    const best = (scores: Matrix, t = 0, room: readonly number[] = [2, 2, 2]): number =>
      t === 6
        ? 0
        : Math.max(
            ...room.flatMap((places, e) =>
              places === 0 ? [] : [scores[t]![e]! + best(scores, t + 1, room.with(e, places - 1))],
            ),
          );
    for (let seed = 0; seed < 6; seed++) {
      // Expert 0 is everyone's favourite.
      const scores = (await normal(6, 3, seed)).map(([a, b, c]) => [a! + 2, b!, c!]);
      const assigned = await scope(device, () =>
        balancedAssignment(toTensor(scores), { priceRounds: 8, bidRounds: 8 }).data(),
      );
      expect([0, 1, 2].map((e) => assigned.filter((a) => a === e).length)).toEqual([2, 2, 2]);
      const got = total(scores.map((row, t) => row[assigned[t]!]!));
      expect(got).toBeLessThan(best(scores) + 1e-4);
      expect(got).toBeGreaterThan(best(scores) - 2);
    }
  });

  it.each([
    [64, 8],
    [250, 8],
  ])('comes near the bound that prices give, %d tokens to %d experts', async (tokens, experts) => {
    for (let seed = 0; seed < 2; seed++) {
      const scores = (await normal(tokens, experts, seed)).map((row) => row.map((s, e) => s + e / 4));
      const { assigned, prices } = await scope(device, async () => ({
        assigned: await balancedAssignment(toTensor(scores), { priceRounds: 8, bidRounds: 8 }).data(),
        prices: await balancedPrices(toTensor(scores), 1, zeros(device, [experts]), 50).data(),
      }));
      const loads = Array.from({ length: experts }, (_, e) => assigned.filter((a) => a === e).length);
      expect(loads).toEqual(loads.map((_, e) => Math.floor(tokens / experts) + (e < tokens % experts ? 1 : 0)));
      // Weak duality: no assignment of these loads has a larger total, whatever the prices.
      const bound =
        total(scores.map((row) => Math.max(...row.map((s, e) => s - prices[e]!)))) +
        total(loads.map((load, e) => load * prices[e]!));
      const got = total(scores.map((row, t) => row[assigned[t]!]!));
      expect(got).toBeLessThan(bound + 1e-3);
      // Scores have a standard deviation of 1.
      expect((bound - got) / tokens).toBeLessThan(0.1);
    }
  });
});

describe('quantileBalancing', () => {
  it('routes by the prices of earlier steps, averaged over their micro-batches', async () => {
    const router = onLogits(resolveRouter('quantileBalancing'), 4, 2);
    const batches = [await normal(32, 4, 1), await normal(32, 4, 2)].map((rows) =>
      rows.map((row) => row.map((s, e) => s + e)),
    );
    const none = tensor(device, Int32Array.from([0, 0, 0, 0]), [4]);
    for (const x of batches) {
      const { experts } = await routed(router, x, { training: true });
      experts.forEach((chosen, t) => expect(chosen).toEqual(descending(x[t]!).slice(0, 2)));
    }
    router.afterStep(none);
    const prices = Array.from(await router.buffers.get('prices')!.data());
    const expected = await scope(device, () =>
      Promise.all(
        batches.map(async (x) => {
          const scores = toTensor(x.map((row) => row.map(sigmoid)));
          return Array.from(await balancedPrices(scores, 2, tensor(device, [0, 0, 0, 0]), 4).data());
        }),
      ),
    );
    prices.forEach((price, e) => expect(price).toBeCloseTo(mean(expected.map((each) => each[e]!)), 5));
    const { counts } = await routed(router, batches[0]!, { training: false });
    expect(Math.max(...counts)).toBeLessThan(24);
    router.afterStep(none);
    expect(Array.from(await router.buffers.get('prices')!.data())).toEqual(prices);
    none.dispose();
    dispose(router);
  });
});

describe('base', () => {
  it('starts from orthogonal centroids of length 0.1, mixes the token in, and is greedy in evaluation', async () => {
    const router = makeRouter(resolveRouter('base'), { hidden: 7, experts: 5, topK: 1 });
    const centroids = await toMatrix(router.parameters.get('expert_centroids')!);
    centroids.forEach((a, i) => centroids.forEach((b, j) => expect(dot(a, b)).toBeCloseTo(i === j ? 0.01 : 0, 6)));
    const experts = createParameters(device, expertParameters({ hidden: 7, experts: 5, width: 3 }), key);
    const x = await normal(10, 7, 6, 10);
    await scope(device, async () => {
      const input = toTensor(x);
      const { output, routing } = new MoeLayer(router, experts).forward(input, { training: false });
      const plain = runExperts(
        input,
        experts.get('gate_up_proj')!,
        experts.get('down_proj')!,
        routing.weights,
        routing.plan,
      );
      const [mixed, alone, chosen] = await Promise.all([output, plain, routing.experts].map(toMatrix));
      x.forEach((row, t) => {
        const scores = centroids.map((centroid) => dot(centroid, row));
        expect(chosen![t]).toEqual(descending(scores).slice(0, 1));
        const a = sigmoid(Math.max(...scores));
        row.forEach((value, d) => expect(mixed![t]![d]).toBeCloseTo(alone![t]![d]! + (1 - a) * value, 4));
      });
    });
    experts.forEach((each) => each.dispose());
    dispose(router);
  });
});

describe('sinkhorn', () => {
  it('scales rows and columns to their shares', async () => {
    const logits = await normal(40, 5, 7, 2);
    const factors = await scope(device, () => sinkhornFactors(toTensor(logits), 60).data());
    const scaled = logits.map((row) => softmax(row.map((s, e) => s + factors[e]!)));
    for (const e of [0, 1, 2, 3, 4]) expect(mean(scaled.map((row) => row[e]!))).toBeCloseTo(0.2, 4);
  });

  it('weights by the softmax, or for one expert by the sigmoid', async () => {
    const x = await normal(6, 4, 8);
    for (const k of [1, 2]) {
      const router = onLogits(resolveRouter('sinkhorn'), 4, k);
      const { experts, weights } = await routed(router, x, { training: false });
      x.forEach((row, t) => {
        expect(experts[t]).toEqual(descending(row).slice(0, k));
        experts[t]!.forEach((e, j) =>
          expect(weights[t]![j]).toBeCloseTo(k === 1 ? sigmoid(row[e]!) : softmax(row)[e]!, 5),
        );
      });
      dispose(router);
    }
  });
});

describe('expertChoice', () => {
  it('lets each expert take its best tokens, and runs them as any other choice', async () => {
    const router = onLogits(resolveRouter('expertChoice'), 4, 2);
    const x = await normal(10, 4, 9, 2);
    const p = x.map(softmax);
    const takes = [0, 1, 2, 3].map((e) => descending(p.map((row) => row[e]!)).slice(0, 5));
    const { experts, weights, counts, unused } = await routed(router, x, { training: true }, async (routing) => {
      // Rows that experts see: the 20 choices, and one place for all empty slots.
      expect(routing.plan.count).toBe(21);
      const parameters = createParameters(device, expertParameters({ hidden: 4, experts: 4, width: 3 }), key);
      const [gateUp, down] = [parameters.get('gate_up_proj')!, parameters.get('down_proj')!];
      const input = toTensor(x);
      const got = await toMatrix(runExperts(input, gateUp, down, routing.weights, routing.plan));
      const single = await Promise.all(
        [0, 1, 2, 3].map((e) => {
          const all = tensor(
            device,
            Int32Array.from({ length: 10 }, () => e),
            [10, 1],
          );
          return toMatrix(runExperts(input, gateUp, down, ones(device, [10, 1]), segmentPlan(all, 4)));
        }),
      );
      got.forEach((row, t) =>
        row.forEach((value, d) => {
          const expected = total(takes.map((tokens, e) => (tokens.includes(t) ? p[t]![e]! * single[e]![t]![d]! : 0)));
          expect(value).toBeCloseTo(expected, 5);
        }),
      );
      parameters.forEach((each) => each.dispose());
    });
    expect(counts).toEqual([5, 5, 5, 5]);
    expect(unused).toEqual({ inactive: 20 });
    experts.forEach((slots, t) => {
      const own = [0, 1, 2, 3].filter((e) => takes[e]!.includes(t)).sort((a, b) => p[t]![b]! - p[t]![a]!);
      expect(slots.filter((e) => e < 4)).toEqual(own);
      own.forEach((e, j) => expect(weights[t]![j]).toBeCloseTo(p[t]![e]!, 5));
    });
    dispose(router);
  });
});

describe('dselectK', () => {
  it('steps smoothly from 0 to 1', async () => {
    const xs = [-2, -0.5, -0.25, 0, 0.1, 0.5, 3];
    const got = await scope(device, () => smoothStep(tensor(device, xs), 1).data());
    const expected = xs.map((x) => (x <= -0.5 ? 0 : x >= 0.5 ? 1 : -2 * x ** 3 + 1.5 * x + 0.5));
    expected.forEach((y, i) => expect(got[i]).toBeCloseTo(y, 6));
  });

  it.each([4, 6])('adds up what its selectors take of %d experts', async (experts) => {
    const router = makeRouter(resolveRouter('dselectK'), { hidden: 3, experts, topK: 2 });
    const bits = experts === 4 ? 2 : 3;
    const selector = await normal(2 * bits, 3, 10, 0.3);
    const mixture = await normal(2, 3, 11);
    assign(router.parameters.get('selector.weight')!, selector.flat());
    assign(router.parameters.get('mixture.weight')!, mixture.flat());
    const x = await normal(5, 3, 12);
    const read = await routed(router, x, { training: true });
    let entropy = 0;
    x.forEach((row, t) => {
      const dense = Array.from({ length: experts }, () => 0);
      const shares = softmax(mixture.map((w) => dot(w, row)));
      for (const s of [0, 1]) {
        const own = Array.from({ length: experts }, () => 0);
        const a = selector.slice(s * bits, (s + 1) * bits).map((w) => {
          const value = Math.max(-0.5, Math.min(0.5, dot(w, row)));
          return -2 * value ** 3 + 1.5 * value + 0.5;
        });
        for (let code = 0; code < 2 ** bits; code++) {
          const r = a.reduce((product, bit, j) => product * ((code >> j) & 1 ? bit : 1 - bit), 1);
          own[code % experts]! += r;
        }
        own.forEach((r, e) => {
          dense[e]! += shares[s]! * r;
          entropy -= r * Math.log(r + 1e-6);
        });
      }
      read.experts[t]!.forEach((e, j) => expect(read.weights[t]![j]).toBeCloseTo(dense[e] ?? 0, 5));
      expect(read.experts[t]!.filter((e) => e < experts).length).toBe(dense.filter((w) => w > 0).length);
    });
    expect(read.losses['entropy']).toBeCloseTo(entropy / 5, 4);
    dispose(router);
  });
});

describe('remoe', () => {
  it('uses the experts whose gate is open, and tightens or loosens with their number', async () => {
    const router = onLogits(resolveRouter('remoe', { initialPenalty: 0.5 }), 3, 1);
    const x = [
      [1, -1, 2],
      [-1, -2, -3],
      [0, 0.5, -1],
    ];
    const { experts, weights, counts, losses, unused } = await routed(router, x, { training: true });
    expect(experts).toEqual([
      [2, 0, 3],
      [3, 3, 3],
      [1, 3, 3],
    ]);
    expect(weights[0]).toEqual([2, 1, 0]);
    expect(counts).toEqual([1, 1, 1]);
    expect(unused).toEqual({ inactive: 6 });
    // f_e = M / (k N) tokens = 1 for each, mean gates 1/3, 0.5/3, 2/3.
    expect(losses['activation']).toBeCloseTo(0.5 * (3.5 / 3), 6);
    const step = async (load: number[]): Promise<number> => {
      const tensors = tensor(device, Int32Array.from(load), [3]);
      router.afterStep(tensors);
      tensors.dispose();
      return router.buffers.get('penalty')!.item();
    };
    expect(await step([1, 1, 1])).toBeCloseTo(0.5, 6);
    await routed(router, x, { training: true });
    await routed(router, x, { training: true });
    expect(await step([3, 2, 2])).toBeCloseTo(0.6, 6);
    await routed(router, x, { training: true });
    expect(await step([1, 1, 0])).toBeCloseTo(0.5, 6);
    dispose(router);
  });
});

describe('adamoe', () => {
  it('leaves slots of null experts empty and shares their load', async () => {
    const router = makeRouter(resolveRouter('adamoe', { nullExperts: 2 }), { hidden: 4, experts: 2, topK: 2 });
    assign(router.parameters.get('weight')!, [1, 0, 0, 0, 0, 1, 0, 0]);
    assign(router.parameters.get('null.weight')!, [0, 0, 1, 0, 0, 0, 0, 1]);
    const x = [
      [3, 2, 1, 0],
      [1, 0, 3, 2],
      [2, 0, 1, 3],
      [0, 1, 2, -1],
    ];
    const read = await routed(router, x, { training: true });
    expect(read.experts).toEqual([
      [0, 1],
      [2, 2],
      [2, 0],
      [2, 1],
    ]);
    expect(read.counts).toEqual([2, 2]);
    expect(read.unused).toEqual({ null: 4 });
    const p = x.map(softmax);
    expect(read.weights[0]![0]).toBeCloseTo(p[0]![0]! / (p[0]![0]! + p[0]![1]!), 5);
    expect(read.weights.slice(1)).toEqual([
      [0, 0],
      [0, 1],
      [0, 1],
    ]);
    const fractions = [2, 2, 2, 2].map((count) => count / 4);
    const expected = 4 * total(fractions.map((f, e) => f * mean(p.map((row) => row[e]!))));
    expect(read.losses['loadBalancing']).toBeCloseTo(expected, 5);
    dispose(router);
  });
});

describe('hash', () => {
  it('routes by a balanced table of the vocabulary', async () => {
    const router = makeRouter(resolveRouter('hash', { vocabulary: 12 }), { hidden: 2, experts: 4, topK: 3 });
    const ids = tensor(
      device,
      Int32Array.from({ length: 12 }, (_, i) => i),
      [12],
    );
    const x = await normal(12, 2, 13);
    const { experts, counts, weights } = await routed(router, x, { training: true, tokenIds: ids });
    expect(counts).toEqual([9, 9, 9, 9]);
    for (const column of [0, 1, 2]) {
      const own = experts.map((row) => row[column]!);
      expect([0, 1, 2, 3].map((e) => own.filter((c) => c === e).length)).toEqual([3, 3, 3, 3]);
    }
    expect(new Set(experts.map((row) => row.join())).size).toBeGreaterThan(4);
    expect(weights.flat().every((w) => Math.abs(w - 1 / 3) < 1e-6)).toBe(true);
    scope(device, () =>
      expect(() => router.route(toTensor(x), { training: true })).toThrow('give context.tokenIds, i32 [12], got none'),
    );
    ids.dispose();
    dispose(router);
  });
});

describe('xmoe', () => {
  it('scores by cosine times a learned temperature that is held below 100', async () => {
    const router = makeRouter(resolveRouter('xmoe', { projectionDim: 3 }), { hidden: 4, experts: 5, topK: 2 });
    const x = await normal(6, 4, 14);
    const projection = await toMatrix(router.parameters.get('projection.weight')!);
    const embeddings = await toMatrix(router.parameters.get('expert_embeddings')!);
    const norm = (v: readonly number[]): number => Math.sqrt(dot(v, v));
    for (const [temperature, scale] of [
      [Math.LN2, 2],
      [9, 100],
    ] as const) {
      assign(router.parameters.get('temperature')!, [temperature]);
      await routed(router, x, { training: true }, async ({ scores }) => {
        (await toMatrix(scores)).forEach((row, t) => {
          const latent = projection.map((w) => dot(w, x[t]!));
          row.forEach((score, e) => {
            const cosine = dot(latent, embeddings[e]!) / (norm(latent) * norm(embeddings[e]!));
            expect(score).toBeCloseTo(scale * cosine, 2);
          });
        });
      });
    }
    dispose(router);
  });
});

describe('experts behind empty slots', () => {
  it('get no gradient from them, and give none to the token', async () => {
    const before = device.memory.liveBuffers;
    const router = onLogits(resolveRouter('remoe'), 3, 1);
    const parameters = createParameters(device, expertParameters({ hidden: 3, experts: 3, width: 2 }), key);
    const gradients = await scope(device, async () => {
      // Token 1 opens no gate; expert 1 gets no token.
      const x = toTensor([
        [1, -1, 2],
        [-1, -2, -3],
      ]);
      const { output } = new MoeLayer(router, parameters).forward(x, { training: true });
      expect((await toMatrix(output))[1]).toEqual([0, 0, 0]);
      backward(sum(output));
      return Promise.all([...parameters.values()].map(async ({ grad }) => Array.from(await grad!.data())));
    });
    for (const gradient of gradients) {
      const size = gradient.length / 3;
      expect(gradient.every(Number.isFinite)).toBe(true);
      expect(gradient.slice(size, 2 * size).every((g) => g === 0)).toBe(true);
      expect(gradient.some((g) => g !== 0)).toBe(true);
    }
    parameters.forEach((each) => each.dispose());
    dispose(router);
    expect(device.memory.liveBuffers).toBe(before);
  });
});
