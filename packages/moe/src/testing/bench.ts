/** Routers with random weights on random tokens, and what they route read back as plain arrays. */
import { assign, type Device, RandomKey, randomNormal, scope, type Tensor, tensor } from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import { type RouterTraits, topKFor } from '../method.ts';
import { type RouteContext, type Router, type RouterShape, selectionOf } from '../router.ts';
import { createRouter, type RouterOptions, routerParameters, routerTraits } from '../routers/index.ts';
import { drawSituations, EXAMPLES, type Situation } from './situations.ts';

/** How many of the examples, and drawn situations, something must hold in. */
const [LEAST_EXAMPLES, DRAWN] = [8, 15];

/** A routing read back, one array a token. */
export interface Routed {
  readonly experts: number[][];
  readonly weights: number[][];
  /** What the experts were selected by. */
  readonly selectedBy: number[][];
  readonly scores: number[][];
  readonly counts: number[];
  /** Slots without an expert, all reasons together. */
  readonly unused: number;
  /** Of those, the ones of experts that were full. */
  readonly dropped: number;
  readonly losses: number[];
}

/** What is asked of a router in one situation. */
export type Question<Answer> = (router: Router, x: number[][], situation: Situation) => Promise<Answer>;

/** A router of some settings where everything about it can be tried. */
export class RouterBench {
  readonly device: Device;
  readonly options: RouterOptions;
  readonly traits: RouterTraits;
  readonly #drawn: readonly Situation[];

  /** @param seed of the situations that are drawn beside the examples */
  constructor(device: Device, options: RouterOptions, seed: number) {
    this.device = device;
    this.options = options;
    this.traits = routerTraits(options);
    this.#drawn = drawSituations(DRAWN, seed);
  }

  /** Routes rows, in training with noise, and reads the result. */
  async route(
    router: Pick<Router, 'route' | 'selectionBias'>,
    rows: readonly number[][],
    training: boolean = false,
  ): Promise<Routed> {
    return await scope(this.device, async () => {
      const x = tensor(this.device, Float32Array.from(rows.flat()), [rows.length, rows[0]!.length]);
      const routing = router.route(x, contextOf(this.device, rows, training));
      const [experts, weights, selection] = await Promise.all(
        [routing.experts, routing.weights, selectionOf(routing, router)].map(rowsOf),
      );
      const all = routing.unused ?? [];
      const unused = await Promise.all(all.map(({ count }) => count.item()));
      const dropped = unused.filter((_, i) => all[i]!.reason === 'dropped');
      return {
        experts: experts!,
        weights: weights!,
        selectedBy: selection!,
        scores: await rowsOf(routing.scores),
        counts: Array.from(await routing.counts.data()),
        unused: unused.reduce((a, b) => a + b, 0),
        dropped: dropped.reduce((a, b) => a + b, 0),
        losses: await Promise.all(routing.losses.map(({ value }) => value.item())),
      };
    });
  }

  /**
   * Asks in examples and in drawn situations.
   *
   * @throws Error that tells the situation beside what was wrong in it; or where memory was left behind
   */
  async always(ask: Question<void>): Promise<void> {
    const before = this.device.memory.liveBuffers;
    for (const situation of [...EXAMPLES.slice(0, LEAST_EXAMPLES), ...this.#drawn]) {
      try {
        await this.#in(situation, ask);
      } catch (error) {
        throw new Error(`${(error as Error).message}, with ${JSON.stringify(situation)}`, { cause: error });
      }
    }
    const left = this.device.memory.liveBuffers - before;
    if (left !== 0) throw new Error(`leaves ${left} tensors behind; make them in a scope`);
  }

  /** Whether something is seen in at least one example. */
  async sometimes(seen: Question<boolean>): Promise<boolean> {
    for (const situation of EXAMPLES) if (await this.#in(situation, seen)) return true;
    return false;
  }

  async #in<Answer>({ shape, tokens, scale, seed }: Situation, ask: Question<Answer>): Promise<Answer> {
    const router = makeRouter(this.device, this.options, shape, seed);
    try {
      const x = await scope(this.device, async () => {
        const key = RandomKey.fromSeed(seed).fold('test');
        const bias = router.selectionBias?.values;
        const named = [...router.buffers].find(([, buffer]) => buffer === bias)?.[0] ?? '';
        if (bias !== undefined) assign(bias, randomNormal(this.device, bias.shape, key.fold(named), 0.3));
        return rowsOf(randomNormal(this.device, [tokens, shape.hidden], key.fold('x'), scale));
      });
      return await ask(router, x, { shape, tokens, scale, seed });
    } finally {
      disposeRouter(router);
    }
  }
}

/** Token ids are the tokens' own first number, so that equal tokens have equal ids wherever they stand. */
export function contextOf(device: Device, rows: readonly (readonly number[])[], training: boolean): RouteContext {
  const ids = Int32Array.from(rows, ([first = 0]) => Math.abs(Math.round(first * 1000)) % 256);
  return { training, noise: RandomKey.fromSeed(11), tokenIds: tensor(device, ids, [rows.length]) };
}

/**
 * A router with fresh weights; the shape's k gives way to that of methods with one of their own. Matrices that start at
 * 0 get random numbers, since tokens would be routed alike.
 */
export function makeRouter(device: Device, options: RouterOptions, shape: RouterShape, seed: number): Router {
  const fitting = { ...shape, topK: topKFor(routerTraits(options), shape) };
  const specs = routerParameters(options, fitting);
  const key = RandomKey.fromSeed(seed);
  return scope(device, () => {
    const tensors = createParameters(device, specs, key);
    for (const { name, initial, shape: extents, trained } of specs) {
      if (!trained || extents.length < 2 || initial.kind !== 'constant' || initial.value !== 0) continue;
      assign(tensors.get(name)!, randomNormal(device, extents, key.fold('not zero').fold(name)));
    }
    return createRouter(options, fitting, tensors);
  });
}

/** Frees the tensors of a router. */
export function disposeRouter(router: Router): void {
  for (const each of [...router.parameters.values(), ...router.buffers.values()]) each.dispose();
}

async function rowsOf(x: Tensor): Promise<number[][]> {
  const data = Array.from(await x.data());
  const columns = x.shape[1]!;
  return Array.from({ length: x.shape[0]! }, (_, i) => data.slice(i * columns, (i + 1) * columns));
}
