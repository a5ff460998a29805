/** Routers on given logits, and what they route read back as plain arrays. */
import { assign, RandomKey, randomNormal, scope } from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import {
  createRouter,
  type RouteContext,
  type Router,
  type RouterOptions,
  routerParameters,
  type Routing,
} from '../src/index.ts';
import { device, key, type Matrix, toMatrix, toTensor } from './support.ts';

export const identity = (size: number): Matrix =>
  Array.from({ length: size }, (_, i) => Array.from({ length: size }, (__, j) => (i === j ? 1 : 0)));

/** A router whose weight is the identity, so that the tokens are its logits. */
export function onLogits(options: RouterOptions, experts: number, topK: number): Router {
  const shape = { hidden: experts, experts, topK };
  const tensors = createParameters(device, routerParameters(options, shape), key);
  const weight = tensors.get('weight') ?? tensors.get('expert_centroids');
  if (weight !== undefined) assign(weight, identity(experts).flat());
  return createRouter(options, shape, tensors);
}

export interface Read {
  readonly experts: number[][];
  readonly weights: number[][];
  readonly counts: number[];
  readonly losses: Readonly<Record<string, number>>;
  readonly unused: Readonly<Record<string, number>>;
  readonly routing: Routing;
}

/** Routes and reads back; `more` runs before the routing's tensors are freed. */
export async function routed(
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

export function dispose(router: Router): void {
  for (const each of [...router.parameters.values(), ...router.buffers.values()]) each.dispose();
}

export const descending = (values: readonly number[]): number[] =>
  values.map((_, e) => e).sort((a, b) => values[b]! - values[a]! || a - b);
export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
export const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
export async function normal(rows: number, columns: number, seed: number, scale = 1): Promise<number[][]> {
  return scope(device, () => toMatrix(randomNormal(device, [rows, columns], RandomKey.fromSeed(seed), scale)));
}
