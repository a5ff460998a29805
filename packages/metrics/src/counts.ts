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
