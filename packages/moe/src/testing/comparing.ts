/** Comparisons of routings, in which rounding may decide what is a tie. */
import { assign } from '@lpr/tensor';
import type { RouterTraits } from '../method.ts';
import type { Router } from '../router.ts';
import type { Routed } from './bench.ts';

/** Choices whose scores are closer than this (relative to their size) may be rounded either way. */
const TIE = 1e-5;

/** Throws an Error that says what does not hold. */
export function hold(holds: boolean, problem: string): asserts holds {
  if (!holds) throw new Error(problem);
}

/** Whether two plain values are equal. */
export function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
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

/** Whether rounding could send token t elsewhere. */
export function mayRound(traits: RouterTraits, { selectedBy }: Routed, t: number, topK: number): boolean {
  return traits.takesLargest ? isClose(selectedBy[t]!, topK) : anyClose([selectedBy[t]!]);
}

/** Whether token `i` of one routing went where token `j` of another did, with the same weights. */
export function sameToken(a: Routed, i: number, b: Routed, j: number): boolean {
  return (
    equal(a.experts[i], b.experts[j]) && a.weights[i]!.every((weight, k) => Math.abs(weight - b.weights[j]![k]!) < 1e-4)
  );
}

/** How many experts each token has. */
export function filled({ experts }: Routed, count: number): number[] {
  return experts.map((slots) => slots.filter((e) => e < count).length);
}

/** Other tokens in place of some. */
export function changed(x: readonly number[][], which: (token: number) => boolean): number[][] {
  return x.map((row, t) => (which(t) ? row.map((value) => 1 - 2 * value) : row));
}

/** Numbers from 0 in an order of the seed's. */
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
