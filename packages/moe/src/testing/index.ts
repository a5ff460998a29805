/**
 * @lpr/moe/testing: what every router must keep, for ours and anybody's. The tests of this project hold all its methods
 * to the same properties.
 */
import { createWasmDevice } from '@lpr/tensor';
import { type CustomRouter, registerRouter } from '../define-router.ts';
import { resolveRouter } from '../routers/index.ts';
import { RouterBench } from './bench.ts';
import { claims } from './claims.ts';
import { invariants } from './invariants.ts';

export { contextOf, disposeRouter, makeRouter, type Question, type Routed, RouterBench } from './bench.ts';
export { claims } from './claims.ts';
export { invariants, type RouterProperty } from './invariants.ts';
export type { Situation } from './situations.ts';

/** How `checkRouter` tries a router. */
export interface CheckOptions<Settings> {
  /** Settings that are not the defaults. */
  readonly settings?: Partial<Settings>;
  /** Of the random situations; another one each time unless given. */
  readonly seed?: number;
}

/**
 * Holds a router to what every router must keep, and to the traits that it claims. It need not be registered.
 *
 * @returns a sentence for each property that does not hold, with the situation that shows it; empty when all is well
 */
export async function checkRouter<Settings extends object>(
  router: CustomRouter<Settings>,
  { settings = {}, seed = Date.now() % 2 ** 31 }: CheckOptions<Settings> = {},
): Promise<string[]> {
  const forget = registerRouter(router);
  const device = await createWasmDevice({ threads: 0 });
  try {
    const options = resolveRouter(router.defaults.kind, settings);
    const bench = new RouterBench(device, options, seed);
    const problems: string[] = [];
    for (const { name, applies, check } of [...invariants, ...claims]) {
      if (applies?.(bench.traits) === false) continue;
      try {
        await check(bench);
      } catch (error) {
        problems.push(`${router.defaults.kind}: not true that it ${name}: ${(error as Error).message}`);
      }
    }
    return problems;
  } finally {
    forget();
    await device.dispose();
  }
}
