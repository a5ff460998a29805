/**
 * Every trait that a method claims: that it holds where it is claimed, and that it does not where it is denied. A claim
 * turned round fails here, `pooledLosses` in micro-batches.test.ts.
 */
import { claims, RouterBench } from '@lpr/moe/testing';
import { createWasmDevice } from '@lpr/tensor';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { routerCases } from './routers.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

vi.setConfig({ testTimeout: 60_000 });

const seed = Date.now() % 2 ** 31;

describe.for(routerCases.map((routerCase) => [routerCase.name, routerCase] as const))('%s', ([, { options }]) => {
  const bench = new RouterBench(device, options, seed);

  const own = claims.filter(({ applies }) => applies?.(bench.traits) !== false);
  it.each(own.map(({ name, check }) => [name, check] as const))('%s', async (_, check) => {
    await expect(check(bench)).resolves.toBeUndefined();
  });
});
