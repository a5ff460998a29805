/** Routers with random weights on random tokens, and what they route read back as plain arrays. */
import { type Router, type RouterShape, selectionOf } from '@lpr/moe';
import {
  assign,
  createWasmDevice,
  type Device,
  RandomKey,
  randomNormal,
  scope,
  type Tensor,
  tensor,
} from '@lpr/tensor';
import * as fc from 'fast-check';
import { expect } from 'vitest';
import { contextOf, disposeRouter, makeRouter, type RouterCase } from './routers.ts';

export const device: Device = await createWasmDevice({ threads: 1 });

const RUNS = 15;
const EXAMPLES = 8;
/** Choices whose scores are closer than this (relative to their size) may be rounded either way. */
const TIE = 1e-5;

export interface Situation {
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

/** Situations in which what a method can do shows in some. */
const examples: readonly Situation[] = Array.from({ length: 24 }, (_, seed) => ({
  shape: { hidden: 6, experts: 5, topK: 2 },
  tokens: 14,
  scale: seed % 2 === 0 ? 1 : 10,
  seed,
}));

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
  readonly losses: number[];
}

async function rowsOf(x: Tensor): Promise<number[][]> {
  const data = Array.from(await x.data());
  const columns = x.shape[1]!;
  return Array.from({ length: x.shape[0]! }, (_, i) => data.slice(i * columns, (i + 1) * columns));
}

export async function route(
  router: Pick<Router, 'route' | 'selectionBias'>,
  rows: readonly number[][],
  training = false,
): Promise<Routed> {
  return scope(device, async () => {
    const x = tensor(device, Float32Array.from(rows.flat()), [rows.length, rows[0]!.length]);
    const routing = router.route(x, contextOf(device, rows, training));
    const [experts, weights, selection] = await Promise.all(
      [routing.experts, routing.weights, selectionOf(routing, router)].map(rowsOf),
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

/** What must hold in any situation: in the first examples, and in random ones. */
export async function always(
  routerCase: RouterCase,
  body: (router: Router, x: number[][], situation: Situation) => Promise<void>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(situation, (own) => withRouter(routerCase, own, (router, x) => body(router, x, own))),
    { numRuns: EXAMPLES + RUNS, examples: examples.slice(0, EXAMPLES).map((own) => [own]) },
  );
  expect(device.memory.liveBuffers).toBe(0);
}

/** Whether something is seen in at least one example. */
export async function sometimes(
  routerCase: RouterCase,
  seen: (router: Router, x: number[][], situation: Situation) => Promise<boolean>,
): Promise<boolean> {
  let found = false;
  for (const own of examples) {
    if (found) break;
    await withRouter(routerCase, own, async (router, x) => {
      found = await seen(router, x, own);
    });
  }
  return found;
}

/** Whether rounding could change which experts a token gets, or their order. */
export function isClose(selection: readonly number[], topK: number): boolean {
  const sorted = [...selection].sort((a, b) => b - a);
  const size = Math.max(...sorted.map(Math.abs));
  return sorted.slice(0, topK).some((value, i) => i + 1 < sorted.length && value - sorted[i + 1]! <= TIE * size);
}

/** Whether two values that rank experts or tokens against each other are nearly the same anywhere. */
export function anyClose(rows: readonly (readonly number[])[]): boolean {
  const columns = rows[0]!.map((_, e) => rows.map((row) => row[e]!));
  return [...rows, ...columns].some((values) => isClose(values, values.length));
}

/** Whether token `i` of one routing went where token `j` of another did, with the same weights. */
export function sameToken(a: Routed, i: number, b: Routed, j: number): boolean {
  return (
    JSON.stringify(a.experts[i]) === JSON.stringify(b.experts[j]) &&
    a.weights[i]!.every((weight, k) => Math.abs(weight - b.weights[j]![k]!) < 1e-4)
  );
}

/** Other tokens in place of some. */
export function changed(x: readonly number[][], which: (token: number) => boolean): number[][] {
  return x.map((row, t) => (which(t) ? row.map((value) => 1 - 2 * value) : row));
}

export function permutation(length: number, seed: number): number[] {
  return Array.from({ length }, (_, i) => i).sort(
    (a, b) => Math.sin(seed + 12.9898 * a) - Math.sin(seed + 12.9898 * b) || a - b,
  );
}

/** Gives expert e everything of expert `source(e)`. */
export async function copyExperts(
  router: Router,
  tensors: readonly string[],
  source: (expert: number) => number,
): Promise<void> {
  for (const name of tensors) {
    const target = (router.parameters.get(name) ?? router.buffers.get(name))!;
    const data = Array.from(await target.data());
    const width = data.length / router.experts;
    assign(
      target,
      Array.from({ length: router.experts }, (_, e) => data.slice(source(e) * width, (source(e) + 1) * width)).flat(),
    );
  }
}
