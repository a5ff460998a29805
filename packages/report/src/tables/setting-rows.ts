/** Rows of runs that differ in their seed alone, as one row of their setting. */
import { balanceMeasures, differenceBySeed, meanEstimate } from '@lpr/metrics';
import { differenceCell } from './comparison.ts';
import type { Cell, Row } from './table.ts';

export const SETTING_ROWS_NOTE =
  "A row of several seeds has their means; ± is the 95 % interval of a mean over seeds (Student's t).";

/**
 * Places of the runs of each row, in the order in which their settings first occur.
 *
 * @param settings of each run the setting that it shares with other seeds; undefined: it is a row by itself
 */
export function settingPlaces(settings: readonly (string | undefined)[]): number[][] {
  const places = new Map<string | number, number[]>();
  for (const [i, setting] of settings.entries()) {
    const key = setting ?? i;
    places.set(key, [...(places.get(key) ?? []), i]);
  }
  return [...places.values()];
}

/** A row for each of `settingPlaces`, with how many `seeds` it is of. */
export function settingRows(rows: readonly Row[], settings: readonly (string | undefined)[]): Row[] {
  return settingPlaces(settings).map((places) => {
    const own = places.map((place) => rows[place]!);
    const [first] = own as [Row];
    if (own.length === 1) return { ...first, seeds: 1 };
    const keys = Object.keys(first).filter((key) => key !== 'folder');
    return {
      ...Object.fromEntries(
        keys.map((key) => [
          key,
          merged(
            key,
            own.map((row) => row[key] ?? null),
          ),
        ]),
      ),
      name: settings[places[0]!]!,
      seeds: own.length,
    };
  });
}

/** Columns that have differences. */
const COMPARED: readonly string[] = [
  ...['testLoss', 'trainingLoss', 'perplexity', 'information'],
  ...balanceMeasures.map(({ key }) => key),
];

type NamedRow = Row & { readonly name: string };

/** The runs of one row of `settingRows`. */
interface SeededRow {
  readonly name: string;
  readonly bySeed: ReadonlyMap<number, Row>;
}

function seededRows(
  rows: readonly NamedRow[],
  settings: readonly (string | undefined)[],
  seeds: readonly (number | null)[],
): SeededRow[] {
  return settingPlaces(settings).map((places) => ({
    name: settings[places[0]!] ?? rows[places[0]!]!.name,
    bySeed: new Map(places.flatMap((place) => (seeds[place] === null ? [] : [[seeds[place]!, rows[place]!] as const]))),
  }));
}

/**
 * How much more each setting has than the baseline: the mean over the seeds that both have, with its 95 % interval
 * where these are several. A setting without a seed of the baseline has no row, a number that a run lacks no cell.
 *
 * @param rows of the runs, with the setting and the seed of each in the same order
 * @param baseline name of a row of `settingRows`
 */
export function settingDifferences(
  rows: readonly NamedRow[],
  settings: readonly (string | undefined)[],
  seeds: readonly (number | null)[],
  baseline: string,
): Row[] {
  const all = seededRows(rows, settings, seeds);
  const base = all.find(({ name }) => name === baseline);
  return all.flatMap(({ name, bySeed }): Row[] => {
    const seedsOfBoth =
      base === undefined || name === baseline ? [] : [...bySeed.keys()].filter((seed) => base.bySeed.has(seed));
    if (seedsOfBoth.length === 0) return [];
    const cells = COMPARED.flatMap((key) => {
      const [own, others] = [bySeed, base!.bySeed].map(
        (rows) => new Map(Array.from(rows, ([seed, row]) => [seed, numberOf(row[key] ?? null)])),
      );
      const difference = differenceBySeed(own!, others!);
      return difference === null ? [] : [[key, differenceCell(difference)] as const];
    });
    return [{ name, seeds: seedsOfBoth.length, ...Object.fromEntries(cells) }];
  });
}

/** What is said of a setting without an interval: facts of the runs, and the worst layers beside the means. */
const WITHOUT_INTERVAL = /^(worst\.|topK$|step$|tokens$)/;

function merged(key: string, cells: readonly Cell[]): Cell {
  const [first] = cells;
  if (cells.every((cell) => cell === first)) return first ?? null;
  const numbers = cells.flatMap((cell) => numberOf(cell) ?? []);
  // A number that one of them does not have is none of the setting.
  if (numbers.length < cells.length) return typeof first === 'string' ? 'several' : null;
  // Where even the likeliest seed is unlikely, all are.
  if (key === 'pValue') return Math.max(...numbers);
  const { mean: value, error } = meanEstimate(numbers);
  return WITHOUT_INTERVAL.test(key) ? Number(value.toPrecision(4)) : { value, error };
}

function numberOf(cell: Cell): number | null {
  if (typeof cell === 'number') return cell;
  return typeof cell === 'object' && cell !== null && 'value' in cell ? cell.value : null;
}
