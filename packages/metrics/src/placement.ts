/**
 * What imbalance costs a machine: experts spread over devices, and experts with a limited number of places. From loads
 * alone, as in `balance.ts`.
 */
import { sum } from './arrays.ts';
import { maxViolation } from './balance.ts';
import { checkPositiveInteger } from './checks.ts';
import { checkCounts, type Counts } from './counts.ts';

/**
 * Loads of the ranks of expert parallelism when experts are dealt out in equal blocks: rank r holds experts `r M / R`
 * to `(r + 1) M / R - 1`.
 *
 * @param ranks R; it divides the number of experts.
 */
export function rankLoads(counts: Counts, ranks: number): Float64Array {
  checkCounts(counts);
  checkPositiveInteger('ranks', ranks);
  if (counts.length % ranks !== 0) {
    throw new RangeError(`ranks is ${ranks}; it must divide the ${counts.length} experts into equal blocks`);
  }
  const loads = new Float64Array(ranks);
  const block = counts.length / ranks;
  for (let expert = 0; expert < counts.length; expert++) loads[Math.floor(expert / block)]! += counts[expert]!;
  return loads;
}

/**
 * How much longer a layer takes than with even ranks, since all wait for the busiest: largest load of a rank over the
 * mean load. From 1 (even) to R (one rank has all); `NaN` without load.
 *
 * @param ranks as in `rankLoads`.
 */
export function overloadFactor(counts: Counts, ranks: number): number {
  return maxViolation(rankLoads(counts, ranks)) + 1;
}

/**
 * Share of the token-expert pairs that would be dropped if each expert had `ceil(factor sum c / M)` places (Switch
 * Transformer, arXiv 2101.03961), as if the counts were those of one batch. From 0 to below 1; `NaN` without load.
 *
 * @param factor capacity factor, above 0. 1: places for an even load only.
 */
export function dropRate(counts: Counts, factor: number): number {
  checkCounts(counts);
  if (!(factor > 0 && factor < Infinity)) throw new RangeError(`factor is ${factor}; it must be a number above 0`);
  const total = sum(counts);
  const places = roundedUp((factor * total) / counts.length);
  let dropped = 0;
  for (let expert = 0; expert < counts.length; expert++) dropped += Math.max(0, counts[expert]! - places);
  return dropped / total;
}

/**
 * The next integer, for a number that was rounded on its way: 1.1 times 100 tokens over 10 experts are 11 places,
 * though the product comes out as 11.000000000000002.
 */
function roundedUp(value: number): number {
  return Math.ceil(value - 1e-12 * Math.abs(value));
}
