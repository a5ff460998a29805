/** Chance that a seed decides. */

/** Numbers in [0, 1). */
export type Random = () => number;

/** Mulberry32: numbers that a seed decides. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number of [0, limit). */
export function below(limit: number, random: Random): number {
  return Math.floor(limit * random());
}

export function pick<Value>(values: readonly Value[], random: Random): Value {
  return values[below(values.length, random)]!;
}
