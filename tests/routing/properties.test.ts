/** What every routing method keeps, whatever its weights and tokens. */
import { assign, createWasmDevice, RandomKey, randomNormal, scope, type Tensor, tensor } from '@lpr/tensor';
import type { Router, RouterShape } from '@lpr/moe';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { disposeRouter, makeRouter, type RouterCase, routerCases } from './routers.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

const RUNS = 25;
/** Choices whose scores are closer than this (relative to their size) may be rounded either way. */
const TIE = 1e-5;

interface Situation {
  readonly shape: RouterShape;
  readonly tokens: number;
  readonly scale: number;
  readonly seed: number;
}

const situation: fc.Arbitrary<Situation> = fc
  .record({
    hidden: fc.integer({ min: 1, max: 12 }),
    experts: fc.integer({ min: 1, max: 9 }),
    tokens: fc.integer({ min: 1, max: 11 }),
    scale: fc.constantFrom(0, 1e-3, 1, 1e3),
    seed: fc.nat({ max: 2 ** 31 }),
    topKShare: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ hidden, experts, tokens, scale, seed, topKShare }) => ({
    shape: { hidden, experts, topK: 1 + Math.floor(topKShare * (experts - 1)) },
    tokens,
    scale,
    seed,
  }));

/** A routing read back, one array a token. */
interface Routed {
  readonly experts: number[][];
  readonly weights: number[][];
  /** What the experts were selected by. */
  readonly selectedBy: number[][];
  readonly counts: number[];
  readonly losses: number[];
}

async function rowsOf(x: Tensor): Promise<number[][]> {
  const data = Array.from(await x.data());
  const columns = x.shape[1]!;
  return Array.from({ length: x.shape[0]! }, (_, i) => data.slice(i * columns, (i + 1) * columns));
}

async function route(
  routerCase: RouterCase,
  router: Router,
  rows: readonly number[][],
  training = false,
): Promise<Routed> {
  return scope(device, async () => {
    const x = tensor(device, Float32Array.from(rows.flat()), [rows.length, rows[0]!.length]);
    const routing = router.route(x, { training, noise: RandomKey.fromSeed(11) });
    const [experts, weights, selectedBy] = await Promise.all(
      [routing.experts, routing.weights, routerCase.selectedBy(routing, router)].map(rowsOf),
    );
    return {
      experts: experts!,
      weights: weights!,
      selectedBy: selectedBy!,
      counts: Array.from(await routing.counts.data()),
      losses: await Promise.all(routing.losses.map(({ value }) => value.item())),
    };
  });
}

/** Runs `body` with a router of random weights and random tokens. */
async function withRouter(
  { options }: RouterCase,
  { shape, tokens, scale, seed }: Situation,
  body: (router: Router, x: number[][]) => Promise<void>,
): Promise<void> {
  const router = makeRouter(device, options, shape, seed);
  try {
    const x = await scope(device, async () => {
      const key = RandomKey.fromSeed(seed).fold('test');
      const bias = router.buffers.get('selection_bias');
      if (bias !== undefined) assign(bias, randomNormal(device, bias.shape, key.fold('bias'), 0.3));
      return rowsOf(randomNormal(device, [tokens, shape.hidden], key.fold('x'), scale));
    });
    await body(router, x);
  } finally {
    disposeRouter(router);
  }
}

/** Whether rounding could change which experts a token gets, or their order. */
function isClose(selectedBy: readonly number[], topK: number): boolean {
  const sorted = [...selectedBy].sort((a, b) => b - a);
  const size = Math.max(...sorted.map(Math.abs));
  return sorted.slice(0, topK).some((value, i) => i + 1 < sorted.length && value - sorted[i + 1]! <= TIE * size);
}

/** Token `i` of one routing went where token `j` of another did. */
function expectSameToken(a: Routed, i: number, b: Routed, j: number): void {
  expect(a.experts[i]).toEqual(b.experts[j]);
  a.weights[i]!.forEach((weight, k) => expect(Math.abs(weight - b.weights[j]![k]!)).toBeLessThan(1e-4));
}

function permutation(length: number, seed: number): number[] {
  return Array.from({ length }, (_, i) => i).sort(
    (a, b) => Math.sin(seed + 12.9898 * a) - Math.sin(seed + 12.9898 * b) || a - b,
  );
}

describe.for(routerCases.map((routerCase) => [routerCase.name, routerCase] as const))('%s', ([, routerCase]) => {
  const check = async (body: (router: Router, x: number[][], situation: Situation) => Promise<void>): Promise<void> => {
    await fc.assert(
      fc.asyncProperty(situation, (own) => withRouter(routerCase, own, (router, x) => body(router, x, own))),
      { numRuns: RUNS },
    );
    expect(device.memory.liveBuffers).toBe(0);
  };

  it('gives each token k distinct experts with finite weights of at least 0, and counts them all', async () => {
    await check(async (router, x, { shape, tokens }) => {
      for (const training of [true, false]) {
        const { experts, weights, counts, losses } = await route(routerCase, router, x, training);
        for (const chosen of experts) {
          expect(new Set(chosen).size).toBe(shape.topK);
          expect(chosen.every((e) => Number.isInteger(e) && e >= 0 && e < shape.experts)).toBe(true);
        }
        for (const row of weights) {
          expect(row.every((weight) => Number.isFinite(weight) && weight >= 0)).toBe(true);
          const total = row.reduce((a, b) => a + b, 0);
          if (routerCase.normalized) expect(Math.abs(total - 1)).toBeLessThan(1e-5);
          else expect(total).toBeLessThan(1 + 1e-5);
        }
        expect(counts).toEqual(
          Array.from({ length: shape.experts }, (_, e) => experts.flat().filter((c) => c === e).length),
        );
        expect(counts.reduce((a, b) => a + b, 0)).toBe(shape.topK * tokens);
        expect(losses.every(Number.isFinite)).toBe(true);
      }
    });
  });

  it('takes the k largest in descending order, the lowest index among equal ones', async () => {
    await check(async (router, x, { shape }) => {
      const { experts, selectedBy } = await route(routerCase, router, x);
      selectedBy.forEach((scores, t) => {
        const order = scores.map((_, e) => e).sort((a, b) => scores[b]! - scores[a]! || a - b);
        expect(experts[t]).toEqual(order.slice(0, shape.topK));
      });
    });
  });

  it('chooses the first k of experts that are all alike, and weights them alike', async () => {
    await check(async (router, x, { shape }) => {
      await copyExperts(router, () => 0);
      const { experts, weights } = await route(routerCase, router, x);
      experts.forEach((chosen, t) => {
        expect(chosen).toEqual(Array.from({ length: shape.topK }, (_, e) => e));
        expect(Math.max(...weights[t]!) - Math.min(...weights[t]!)).toBeLessThan(1e-6);
      });
    });
  });

  it('permutes its routing with the tokens', async () => {
    await check(async (router, x, { shape, tokens, seed }) => {
      const order = permutation(tokens, seed);
      const [plain, permuted] = [
        await route(routerCase, router, x),
        await route(
          routerCase,
          router,
          order.map((t) => x[t]!),
        ),
      ];
      order.forEach((t, i) => {
        if (!isClose(plain.selectedBy[t]!, shape.topK)) expectSameToken(permuted, i, plain, t);
      });
    });
  });

  it('permutes its load with the experts', async () => {
    await check(async (router, x, { shape, seed }) => {
      const order = permutation(shape.experts, seed);
      const plain = await route(routerCase, router, x);
      await copyExperts(router, (e) => order[e]!);
      const permuted = await route(routerCase, router, x);
      if (plain.selectedBy.some((scores) => isClose(scores, shape.topK))) return;
      expect(permuted.counts).toEqual(order.map((e) => plain.counts[e]));
      permuted.experts.forEach((chosen, t) => expect(chosen.map((e) => order[e])).toEqual(plain.experts[t]));
    });
  });

  it('is deterministic in evaluation', async () => {
    await check(async (router, x) => {
      expect(await route(routerCase, router, x)).toEqual(await route(routerCase, router, x));
    });
  });

  it('routes a token the same whatever comes after it or stands beside it', async () => {
    await check(async (router, x, { shape, tokens, seed }) => {
      const whole = await route(routerCase, router, x);
      const at = seed % tokens;
      const alone = await route(routerCase, router, [x[at]!]);
      const prefix = await route(routerCase, router, x.slice(0, at + 1));
      const changed = await route(
        routerCase,
        router,
        x.map((row, t) => (t > at ? row.map((value) => 1 - value) : row)),
      );
      if (isClose(whole.selectedBy[at]!, shape.topK)) return;
      expectSameToken(alone, 0, whole, at);
      expectSameToken(prefix, at, whole, at);
      expectSameToken(changed, at, whole, at);
    });
  });

  /** Gives expert e everything of expert `source(e)`. */
  async function copyExperts(router: Router, source: (expert: number) => number): Promise<void> {
    for (const name of routerCase.expertTensors) {
      const target = router.parameters.get(name) ?? router.buffers.get(name);
      if (target === undefined) continue;
      const data = Array.from(await target.data());
      const width = data.length / router.experts;
      assign(
        target,
        Array.from({ length: router.experts }, (_, e) => data.slice(source(e) * width, (source(e) + 1) * width)).flat(),
      );
    }
  }
});
