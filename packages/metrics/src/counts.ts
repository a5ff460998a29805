/** Loads of the experts of one layer, as every measure takes them. */

/** Loads of one layer, one entry per expert. */
export type Counts = ArrayLike<number>;

/** Throws a `RangeError` unless there is at least one expert and every load is a finite number >= 0. */
export function checkCounts(counts: Counts, name: string = 'counts'): void {
  if (counts.length === 0) {
    throw new RangeError(`${name} is empty; it needs one load per expert, so at least one entry`);
  }
  for (let expert = 0; expert < counts.length; expert++) {
    const load = counts[expert]!;
    if (!(load >= 0 && load < Infinity)) {
      throw new RangeError(`${name}[${expert}] is ${load}; a load is a finite number >= 0`);
    }
  }
}

/**
 * Experts that a token really went to, mean over tokens and layers: token-expert pairs over tokens. It may differ from
 * the k that a router was set to: where tokens are dropped, or a router takes as many as it likes.
 *
 * @param countsPerLayer `[layers][experts]` of so many tokens
 * @returns `NaN` without layers or tokens
 */
export function expertsPerToken(countsPerLayer: readonly Counts[], tokens: number): number {
  let pairs = 0;
  for (const counts of countsPerLayer) {
    for (let expert = 0; expert < counts.length; expert++) pairs += counts[expert]!;
  }
  return tokens > 0 ? pairs / (countsPerLayer.length * tokens) : Number.NaN;
}
