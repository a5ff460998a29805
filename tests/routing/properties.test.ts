/** What every routing method keeps, whatever its weights and tokens. What not all do is in traits.test.ts. */
import { gini, minMax } from '@lpr/metrics';
import { afterAll, describe, expect, it, vi } from 'vitest';
import {
  always,
  anyClose,
  changed,
  copyExperts,
  device,
  isClose,
  permutation,
  type Routed,
  route,
  sameToken,
} from './routed.ts';
import { routerCases } from './routers.ts';

afterAll(() => device.dispose());

// Many small runs: a machine that is busy with other things takes its time.
vi.setConfig({ testTimeout: 60_000 });

describe.for(routerCases.map((routerCase) => [routerCase.name, routerCase] as const))('%s', ([, routerCase]) => {
  const { traits } = routerCase;

  it('gives tokens distinct experts with finite weights of at least 0, and counts them all', async () => {
    await always(routerCase, async (router, x) => {
      for (const training of [true, false]) {
        const { experts, weights, counts, unused, losses } = await route(router, x, training);
        const { experts: count } = router;
        experts.forEach((slots, t) => {
          const chosen = slots.filter((e) => e < count);
          expect(new Set(chosen).size).toBe(chosen.length);
          expect(slots.every((e) => Number.isInteger(e) && e >= 0 && e <= count)).toBe(true);
          const row = weights[t]!;
          expect(row.every((weight) => Number.isFinite(weight) && weight >= 0)).toBe(true);
          slots.forEach((e, slot) => {
            if (e === count) expect(row[slot]).toBe(0);
          });
          // Tokens that lost experts, or chose none, keep what is left.
          const total = row.reduce((a, b) => a + b, 0);
          if (traits.weightSum !== null) expect(total).toBeLessThan(traits.weightSum + 1e-5);
        });
        const all = experts.flat();
        expect(counts).toEqual(Array.from({ length: count }, (_, e) => all.filter((c) => c === e).length));
        expect(counts.reduce((a, b) => a + b, 0) + unused).toBe(all.length);
        expect(losses.every(Number.isFinite)).toBe(true);
        if (!training) expect(losses).toEqual([]);
      }
    });
  });

  it.runIf(traits.takesLargest && traits.expertTensors.length > 0)(
    'chooses the first k of experts that are all alike, and weights them alike',
    async () => {
      await always(routerCase, async (router, x) => {
        await copyExperts(router, traits.expertTensors, () => 0);
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
    await always(routerCase, async (router, x, { tokens, seed }) => {
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
        expect(mayRound(plain, t, router.topK) || sameToken(permuted, i, plain, t)).toBe(true);
      });
    });
  });

  it('is deterministic in evaluation, and leaves its state as it was, in training too', async () => {
    await always(routerCase, async (router, x) => {
      const state = (): Promise<number[][]> =>
        Promise.all([...router.buffers.values()].map(async (buffer) => Array.from(await buffer.data())));
      const before = await state();
      expect(await route(router, x)).toEqual(await route(router, x));
      await route(router, x, true);
      expect(await state()).toEqual(before);
    });
  });

  it.runIf(traits.reads.evaluation === 'token')(
    'routes a token the same alone, before others and whatever follows',
    async () => {
      await always(routerCase, async (router, x, { tokens, seed }) => {
        const whole = await route(router, x);
        const at = seed % tokens;
        if (mayRound(whole, at, router.topK)) return;
        const others = [
          [await route(router, [x[at]!]), 0],
          [await route(router, x.slice(0, at + 1)), at],
          [
            await route(
              router,
              changed(x, (t) => t > at),
            ),
            at,
          ],
        ] as const;
        for (const [other, place] of others) expect(sameToken(other, place, whole, at)).toBe(true);
      });
    },
  );

  it('has loads whose Gini and min-max keep their bounds and do not depend on the order of experts', async () => {
    await always(routerCase, async (router, x, { seed }) => {
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

  /** Whether rounding could send token t elsewhere. */
  function mayRound({ selectedBy }: Routed, t: number, topK: number): boolean {
    return traits.takesLargest ? isClose(selectedBy[t]!, topK) : anyClose([selectedBy[t]!]);
  }
});
