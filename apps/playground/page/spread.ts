/** Places on a line, pushed apart as far as they must be to be told from each other. */

/**
 * Places at least `gap` apart, in the order of the given ones and with the least squares of how far they moved: an
 * isotonic regression of the places less `gap` a step, by pooling of adjacent violators (Barlow et al. 1972).
 *
 * @param places ascending
 * @param within where they must lie, with room for all
 */
export function spread(places: readonly number[], gap: number, [from, to]: readonly [number, number]): number[] {
  const pools: { sum: number; count: number }[] = [];
  const meanOf = ({ sum, count }: { sum: number; count: number }): number => sum / count;
  for (const [i, place] of places.entries()) {
    let pool = { sum: place - i * gap, count: 1 };
    for (let left = pools.at(-1); left !== undefined && meanOf(left) > meanOf(pool); left = pools.at(-1)) {
      pool = { sum: left.sum + pool.sum, count: left.count + pool.count };
      pools.pop();
    }
    pools.push(pool);
  }
  const last = to - (places.length - 1) * gap;
  return pools
    .flatMap((pool) => Array.from({ length: pool.count }, () => Math.min(Math.max(meanOf(pool), from), last)))
    .map((mean, i) => mean + i * gap);
}
