/** Rows of runs that differ in their seed alone, as one row of their setting. */
import { meanEstimate } from '@lpr/metrics';
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
