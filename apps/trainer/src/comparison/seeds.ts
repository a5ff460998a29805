/** The runs of several seeds, named and ordered. */
import { seedName } from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import type { SettingOptions } from '../settings/resolve.ts';
import type { Settings } from '../settings/schema.ts';

/** More than these are hardly meant: a seed was given where their number stands. */
const MOST_SEEDS = 100;

/**
 * Seeds as the command line names them: how many, from 0 on, or which.
 *
 * @throws UsageError for anything else, and a seed twice
 */
export function seedsOf(text: string): number[] {
  const words = text.split(',').map((word) => word.trim());
  const numbers = words.map(Number);
  if (words.includes('') || numbers.some((number) => !Number.isSafeInteger(number) || number < 0)) {
    throw new UsageError(
      `--seeds ${text}: give how many (3: the seeds 0, 1 and 2), or which (0,1,5); one alone is --seed`,
    );
  }
  if (numbers.length > 1) {
    if (new Set(numbers).size < numbers.length) throw new UsageError(`--seeds ${text}: name each seed once`);
    return numbers;
  }
  const [count] = numbers as [number];
  if (count < 1 || count > MOST_SEEDS) {
    throw new UsageError(
      `--seeds ${text}: that many seeds from 0 on; it takes 1 to ${MOST_SEEDS}. The seed ${count} alone is --seed ${count}`,
    );
  }
  return Array.from({ length: count }, (_, seed) => seed);
}

/**
 * Runs of each seed, one seed after the other, so that a comparison that was stopped has all of one before the next. A
 * single seed leaves the names as they are.
 *
 * @param runs of any one seed, by the names of their settings
 * @param seeds text of `--seeds`; undefined: the seed that the runs have
 * @throws UsageError as seedsOf, and when `--set` decides the seed too
 */
export function withSeeds(
  runs: ReadonlyMap<string, Settings>,
  seeds: string | undefined,
  { set }: Pick<SettingOptions, 'set'>,
): ReadonlyMap<string, Settings> {
  if (seeds === undefined) return runs;
  const own = set.find((assignment) => assignment.startsWith('seed='));
  if (own !== undefined) throw new UsageError(`--seeds ${seeds}: --set ${own} decides the seed already; leave one out`);
  const all = seedsOf(seeds);
  return new Map(
    all.flatMap((seed) =>
      Array.from(runs, ([name, settings]) => [all.length === 1 ? name : seedName(name, seed), { ...settings, seed }]),
    ),
  );
}
