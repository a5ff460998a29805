/** What every routing method keeps, whatever its weights and tokens. What not all do is in traits.test.ts. */
import { gini, minMax } from '@lpr/metrics';
import { invariants, RouterBench } from '@lpr/moe/testing';
import { createWasmDevice } from '@lpr/tensor';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { routerCases } from './routers.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

// Many small runs: a machine that is busy with other things takes its time.
vi.setConfig({ testTimeout: 60_000 });

const seed = Date.now() % 2 ** 31;

describe.for(routerCases.map((routerCase) => [routerCase.name, routerCase] as const))('%s', ([, { options }]) => {
  const bench = new RouterBench(device, options, seed);

  const own = invariants.filter(({ applies }) => applies?.(bench.traits) !== false);
  it.each(own.map(({ name, check }) => [name, check] as const))('%s', async (_, check) => {
    await expect(check(bench)).resolves.toBeUndefined();
  });

  it('has loads whose Gini and min-max keep their bounds and do not depend on the order of experts', async () => {
    await bench.always(async (router, x) => {
      const { counts } = await bench.route(router, x);
      if (counts.every((count) => count === 0)) return;
      const turned = counts.map((_, e) => counts[(e + 1) % counts.length]!);
      expect(gini(counts)).toBeGreaterThanOrEqual(0);
      expect(gini(counts)).toBeLessThanOrEqual(1 - 1 / router.experts + 1e-12);
      expect(minMax(counts)).toBeGreaterThanOrEqual(0);
      expect(minMax(counts)).toBeLessThanOrEqual(1);
      expect(gini(turned)).toBeCloseTo(gini(counts), 12);
      expect(minMax(turned)).toBe(minMax(counts));
      expect(gini(counts.map((count) => 3 * count))).toBeCloseTo(gini(counts), 12);
    });
  });
});
