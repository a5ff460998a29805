/**
 * What every routing method keeps, whatever its weights and tokens. Which promises a method makes stands in its traits.
 */
import { assign, createWasmDevice, RandomKey, randomNormal, scope, type Tensor, tensor } from '@lpr/tensor';
import type { Router, RouterShape } from '@lpr/moe';
import { gini, minMax } from '@lpr/metrics';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { contextOf, disposeRouter, makeRouter, type RouterCase, routerCases, selectedBy } from './routers.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

// Many small runs: a machine that is busy with other things takes its time.
vi.setConfig({ testTimeout: 60_000 });

const RUNS = 20;
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
    experts: fc.integer({ min: 2, max: 9 }),
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
  readonly scores: number[][];
  readonly counts: number[];
  /** Slots without an expert, all reasons together. */
  readonly unused: number;
  readonly losses: number[];
}

async function rowsOf(x: Tensor): Promise<number[][]> {
  const data = Array.from(await x.data());
  const columns = x.shape[1]!;
  return Array.from({ length: x.shape[0]! }, (_, i) => data.slice(i * columns, (i + 1) * columns));
}

async function route(router: Router, rows: readonly number[][], training = false): Promise<Routed> {
  return scope(device, async () => {
    const x = tensor(device, Float32Array.from(rows.flat()), [rows.length, rows[0]!.length]);
    const routing = router.route(x, contextOf(device, rows, training));
    const [experts, weights, selection] = await Promise.all(
      [routing.experts, routing.weights, selectedBy(routing, router)].map(rowsOf),
    );
    const unused = await Promise.all((routing.unused ?? []).map(({ count }) => count.item()));
    return {
      experts: experts!,
      weights: weights!,
      selectedBy: selection!,
      scores: await rowsOf(routing.scores),
      counts: Array.from(await routing.counts.data()),
      unused: unused.reduce((a, b) => a + b, 0),
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
      for (const name of ['selection_bias', 'e_score_correction_bias', 'prices']) {
        const bias = router.buffers.get(name);
        if (bias !== undefined) assign(bias, randomNormal(device, bias.shape, key.fold(name), 0.3));
      }
      return rowsOf(randomNormal(device, [tokens, shape.hidden], key.fold('x'), scale));
    });
    await body(router, x);
  } finally {
    disposeRouter(router);
  }
}

/** Whether rounding could change which experts a token gets, or their order. */
function isClose(selection: readonly number[], topK: number): boolean {
  const sorted = [...selection].sort((a, b) => b - a);
  const size = Math.max(...sorted.map(Math.abs));
  return sorted.slice(0, topK).some((value, i) => i + 1 < sorted.length && value - sorted[i + 1]! <= TIE * size);
}

/** Whether two values that rank experts or tokens against each other are nearly the same anywhere. */
function anyClose(rows: readonly (readonly number[])[]): boolean {
  const columns = rows[0]!.map((_, e) => rows.map((row) => row[e]!));
  return [...rows, ...columns].some((values) => isClose(values, values.length));
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
  const { traits } = routerCase;
  const check = async (body: (router: Router, x: number[][], situation: Situation) => Promise<void>): Promise<void> => {
    await fc.assert(
      fc.asyncProperty(situation, (own) => withRouter(routerCase, own, (router, x) => body(router, x, own))),
      { numRuns: RUNS },
    );
    expect(device.memory.liveBuffers).toBe(0);
  };

  it('gives tokens distinct experts with finite weights of at least 0, and counts them all', async () => {
    await check(async (router, x, { tokens }) => {
      for (const training of [true, false]) {
        const { experts, weights, scores, counts, unused, losses } = await route(router, x, training);
        const { experts: count, topK } = router;
        experts.forEach((slots, t) => {
          const chosen = slots.filter((e) => e < count);
          expect(new Set(chosen).size).toBe(chosen.length);
          expect(slots.every((e) => Number.isInteger(e) && e >= 0 && e <= count)).toBe(true);
          if (traits.fillsSlots) expect(chosen.length).toBe(topK);
          const row = weights[t]!;
          expect(row.every((weight) => Number.isFinite(weight) && weight >= 0)).toBe(true);
          slots.forEach((e, slot) => {
            if (e === count) expect(row[slot]).toBe(0);
          });
          const total = row.reduce((a, b) => a + b, 0);
          if (traits.weightSum === null) return;
          // Tokens that lost experts, or chose none, keep what is left.
          expect(total).toBeLessThan(traits.weightSum + 1e-5);
          // Where all sigmoids underflow, DeepSeek-V3's epsilon leaves no weight.
          const reached = slots.map((e) => scores[t]![e]!);
          const vanished = reached.every((score) => score >= 0 && score < 1e-12);
          if (traits.fillsSlots && !vanished) expect(total).toBeGreaterThan(traits.weightSum - 1e-5);
        });
        const all = experts.flat();
        expect(counts).toEqual(Array.from({ length: count }, (_, e) => all.filter((c) => c === e).length));
        const load = counts.reduce((a, b) => a + b, 0);
        expect(load + unused).toBe(all.length);
        if (traits.fillsSlots) expect(load).toBe(topK * tokens);
        expect(losses.every(Number.isFinite)).toBe(true);
        if (!training) expect(losses).toEqual([]);
      }
    });
  });

  it.runIf(traits.takesLargest)(
    'takes the k largest in descending order, the lowest index among equal ones',
    async () => {
      await check(async (router, x) => {
        const { experts, selectedBy: selection } = await route(router, x);
        selection.forEach((scores, t) => {
          const order = scores.map((_, e) => e).sort((a, b) => scores[b]! - scores[a]! || a - b);
          experts[t]!.forEach((e, slot) => {
            if (traits.fillsSlots || e < router.experts) expect(e).toBe(order[slot]);
          });
        });
      });
    },
  );

  it.runIf(traits.takesLargest && traits.expertTensors.length > 0)(
    'chooses the first k of experts that are all alike, and weights them alike',
    async () => {
      await check(async (router, x) => {
        await copyExperts(router, () => 0);
        const { experts, weights } = await route(router, x);
        experts.forEach((slots, t) => {
          const chosen = slots.flatMap((e, slot) => (e < router.experts ? [{ e, slot }] : []));
          for (const { e, slot } of chosen) expect(e).toBe(slot);
          const own = chosen.map(({ slot }) => weights[t]![slot]!);
          if (own.length > 0) expect(Math.max(...own) - Math.min(...own)).toBeLessThan(1e-6);
        });
      });
    },
  );

  it('permutes its routing with the tokens', async () => {
    // Where tokens that come first are served first, their order matters.
    if (routerCase.options.kind === 'switch' || routerCase.options.kind === 'gshard') return;
    await check(async (router, x, { tokens, seed }) => {
      const order = permutation(tokens, seed);
      const [plain, permuted] = [
        await route(router, x),
        await route(
          router,
          order.map((t) => x[t]!),
        ),
      ];
      if (traits.reads.evaluation === 'batch' && anyClose(plain.selectedBy)) return;
      order.forEach((t, i) => {
        if (traits.takesLargest && isClose(plain.selectedBy[t]!, router.topK)) return;
        if (
          !traits.takesLargest &&
          isClose(
            plain.weights[t]!.filter((weight) => weight > 0),
            router.experts,
          )
        )
          return;
        expectSameToken(permuted, i, plain, t);
      });
    });
  });

  it.runIf(traits.expertTensors.length > 0)('permutes its load with the experts', async () => {
    await check(async (router, x, { seed }) => {
      const order = permutation(router.experts, seed);
      const plain = await route(router, x);
      await copyExperts(router, (e) => order[e]!);
      const permuted = await route(router, x);
      if (anyClose(plain.selectedBy)) return;
      expect(permuted.counts).toEqual(order.map((e) => plain.counts[e]));
      permuted.experts.forEach((slots, t) => expect(slots.map((e) => order[e] ?? e)).toEqual(plain.experts[t]));
    });
  });

  it('is deterministic in evaluation, and leaves its state as it was, in training too', async () => {
    await check(async (router, x) => {
      const state = (): Promise<number[][]> =>
        Promise.all([...router.buffers.values()].map(async (buffer) => Array.from(await buffer.data())));
      const before = await state();
      expect(await route(router, x)).toEqual(await route(router, x));
      await route(router, x, true);
      expect(await state()).toEqual(before);
    });
  });

  it.runIf(traits.reads.evaluation === 'token')(
    'routes a token the same whatever comes after it or stands beside it',
    async () => {
      await check(async (router, x, { tokens, seed }) => {
        const whole = await route(router, x);
        const at = seed % tokens;
        const alone = await route(router, [x[at]!]);
        const prefix = await route(router, x.slice(0, at + 1));
        const changed = await route(router, changedAfter(x, at));
        if (traits.takesLargest && isClose(whole.selectedBy[at]!, router.topK)) return;
        if (!traits.takesLargest && anyClose([whole.selectedBy[at]!])) return;
        expectSameToken(alone, 0, whole, at);
        expectSameToken(prefix, at, whole, at);
        expectSameToken(changed, at, whole, at);
      });
    },
  );

  it.runIf(traits.reads.training !== 'batch')('is causal: later tokens change nothing about earlier ones', async () => {
    await check(async (router, x, { tokens, seed }) => {
      const at = seed % tokens;
      for (const training of [true, false]) {
        const whole = await route(router, x, training);
        const changed = await route(router, changedAfter(x, at), training);
        for (let t = 0; t <= at; t++) {
          if (!anyClose([whole.selectedBy[t]!])) expectSameToken(changed, t, whole, t);
        }
      }
    });
  });

  it.runIf(traits.reads.training === 'batch')('says rightly that it is not causal', async () => {
    let differences = 0;
    for (let seed = 0; seed < 20; seed++) {
      const own = { shape: { hidden: 6, experts: 3, topK: 2 }, tokens: 9, scale: 3, seed };
      await withRouter(routerCase, own, async (router, x) => {
        const whole = await route(router, x, true);
        const changed = await route(router, changedAfter(x, 7), true);
        const early = ({ experts }: Routed): number[][] => experts.slice(0, 8);
        if (JSON.stringify(early(whole)) !== JSON.stringify(early(changed))) differences++;
      });
    }
    expect(differences).toBeGreaterThan(0);
  });

  it.runIf(traits.exactBalance)('loads experts exactly evenly in training', async () => {
    await check(async (router, x, { tokens }) => {
      const { counts } = await route(router, x, true);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      if ((tokens * router.topK) % router.experts === 0) {
        expect(counts).toEqual(counts.map(() => (tokens * router.topK) / router.experts));
      }
    });
  });

  it('has loads whose Gini and min-max keep their bounds and do not depend on the order of experts', async () => {
    await check(async (router, x, { seed }) => {
      const { counts } = await route(router, x);
      if (counts.every((count) => count === 0)) return;
      const shuffled = permutation(router.experts, seed).map((e) => counts[e]!);
      expect(gini(counts)).toBeGreaterThanOrEqual(0);
      expect(gini(counts)).toBeLessThanOrEqual(1 - 1 / router.experts + 1e-12);
      expect(minMax(counts)).toBeGreaterThanOrEqual(0);
      expect(minMax(counts)).toBeLessThanOrEqual(1);
      expect(gini(shuffled)).toBeCloseTo(gini(counts), 12);
      expect(minMax(shuffled)).toBe(minMax(counts));
      expect(gini(counts.map((count) => 3 * count))).toBeCloseTo(gini(counts), 12);
    });
  });

  /** Other tokens in place of those after `at`. */
  function changedAfter(x: readonly number[][], at: number): number[][] {
    return x.map((row, t) => (t > at ? row.map((value) => 1 - 2 * value) : row));
  }

  /** Gives expert e everything of expert `source(e)`. */
  async function copyExperts(router: Router, source: (expert: number) => number): Promise<void> {
    for (const name of traits.expertTensors) {
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
