/** Measures of balance in tables and sentences: which are shown, and how, says the table of them in @lpr/metrics. */
import { type BalanceKey, type BalanceMeasure, balanceMeasures, type MeasureRange } from '@lpr/metrics';
import { type Cell, type Column, formatMeasure, rangeText, type Row } from './table.ts';

/** Few measures, or all that are worth a column. */
export type Detail = 'short' | 'full';

/** Measures by their names; null or missing where there is none. */
export type Measures = { readonly [Key in BalanceKey]?: number | null };

/** What levels reach, by measure: with its range, or as one number where the range is not known. */
export type Levels = { readonly [Key in BalanceKey]?: MeasureRange | number | null };

export function shownMeasures(detail: Detail): readonly BalanceMeasure[] {
  return balanceMeasures.filter(({ tables }) => tables === 'short' || (detail === 'full' && tables === 'full'));
}

/** The measure that stands for balance where there is room for one alone. */
export const leadMeasure: BalanceMeasure = shownMeasures('short')[0]!;

/** A column for each shown measure; the worst layer's behind it in brackets, where a row has it. */
export function balanceColumns(detail: Detail): Column[] {
  return shownMeasures(detail).map(({ key, title, meaning, decimals }) => ({
    key,
    title,
    meaning,
    decimals,
    format: 'measure',
    beside: { key: worstKey(key) },
  }));
}

/**
 * What the columns show of a run. Without load every measure is a dash.
 *
 * @param errors of the means over layers, half the widths of 95 % intervals
 */
export function balanceCells(mean: Measures | null | undefined, worst?: Measures | null, errors: Measures = {}): Row {
  return Object.fromEntries(
    balanceMeasures.flatMap(({ key }) => [
      [key, measuredCell(mean?.[key], errors[key])],
      [worstKey(key), worst?.[key] ?? null],
    ]),
  );
}

/** A number with its error, where there is one. */
export function measuredCell(value: number | null | undefined, error: number | null | undefined): Cell {
  if (value === null || value === undefined) return null;
  return error === null || error === undefined ? value : { value, error };
}

/** What the columns show of a level. */
export function levelCells(levels: Levels): Row {
  return Object.fromEntries(balanceMeasures.map(({ key }) => [key, levels[key] ?? null]));
}

function worstKey(key: BalanceKey): string {
  return `worst.${key}`;
}

/** "Gini 0.004 (0.003-0.005), min-max 0.967 (0.955-0.976)": the measures that there are. */
export function levelsText(levels: Levels, detail: Detail = 'short'): string {
  return shownMeasures(detail)
    .flatMap(({ key, title, decimals }) => {
      const level = levels[key];
      if (level === undefined || level === null) return [];
      const text = (value: number): string => formatMeasure(value, decimals);
      return [`${title} ${typeof level === 'number' ? text(level) : rangeText(level, text)}`];
    })
    .join(', ');
}

/** "Gini 0.6229 (worst layer 0.6701), min-max ...": a dash for what does not exist. */
export function balanceText(mean: Measures, worst: Measures): string {
  return shownMeasures('short')
    .map(
      ({ key, title, decimals }) =>
        `${title} ${formatMeasure(mean[key], decimals + 1)} (worst layer ${formatMeasure(worst[key], decimals + 1)})`,
    )
    .join(', ');
}

/** Which value is balance: "0 is balance"; where that depends on the number of experts, which way it lies. */
export function balancedValue({ bounds, growsWithBalance }: BalanceMeasure): string {
  const [few, many] = [bounds(4), bounds(64)].map((range) => range[growsWithBalance ? 1 : 0]);
  return few === many ? `${few} is balance` : `${growsWithBalance ? 'more' : 'less'} is more balanced`;
}
