/** Tables of a paper reproduced: our runs beside what the paper reports, and how far both rank the rows alike. */
import { z } from 'zod';
import { type comparisonTable, formatMeasure, formatNumber, type TextTable } from '@lpr/report/tables';
import type { RunResult } from './runs.ts';

/** null where the paper gives none. */
export interface PaperMeasures {
  readonly testLoss: number | null;
  readonly gini: number | null;
  readonly minMax: number | null;
  /** Variance of the loads, in squared tokens, of a number of tokens of its own. */
  readonly variance?: number | undefined;
}

export interface PaperTableResult {
  readonly number: number;
  readonly title: string;
  /** Each with the name of the run that stands for it; null where none does. */
  readonly rows: readonly (PaperMeasures & { readonly title: string; readonly run: string | null })[];
}

export const paperTableSchema: z.ZodType<PaperTableResult> = z.strictObject({
  number: z.int(),
  title: z.string(),
  rows: z.array(
    z.strictObject({
      title: z.string(),
      run: z.string().nullable(),
      testLoss: z.number().nullable(),
      gini: z.number().nullable(),
      minMax: z.number().nullable(),
      variance: z.number().optional(),
    }),
  ),
});

/** Rows of the paper's first table as a comparison shows them below ours. */
export function publishedRows(rows: PaperTableResult['rows']): Parameters<typeof comparisonTable>[1] {
  return {
    heading: 'The paper, table 1 (0.6B parameters, 1B tokens, another corpus: for the pattern, not the values)',
    rows: rows.map(({ title, testLoss, gini, minMax }) => ({ title, testLoss, measures: { gini, minMax } })),
  };
}

/**
 * Ours and the paper's side by side. In the last row, Spearman's rank correlation of each column. Ours alone where the
 * paper reports none.
 *
 * @throws RangeError when a row's run is not among the runs
 */
export function paperTable({ number, rows }: PaperTableResult, runs: readonly RunResult[]): TextTable {
  const ours = rows.map(({ run: name }) => {
    const run = runs.find((each) => each.name === name);
    if (run === undefined) throw new RangeError(`table ${number} names the run "${name}", which is not there`);
    const { gini = null, minMax = null, variance = null, coefficientOfVariation: variation = null } = run.mean;
    const { gini: level = null } = run.samplingFloor;
    const floor = typeof level === 'object' ? (level?.mean ?? null) : level;
    return { testLoss: run.testLoss, gini, minMax, floor, variance, variation };
  });
  const hasVariance = rows.some(({ variance }) => variance !== undefined);
  const isReported = rows.some(({ testLoss, gini, minMax }) =>
    [testLoss, gini, minMax].some((value) => value !== null),
  );
  const lines = rows.map((row, i) => [
    row.title,
    ...measuresText(ours[i]!),
    formatMeasure(ours[i]!.floor),
    ...(hasVariance ? [varianceText(ours[i]!.variance), formatMeasure(ours[i]!.variation)] : []),
    ...(isReported ? measuresText(row) : []),
    ...(hasVariance ? [varianceText(row.variance ?? null)] : []),
  ]);
  const head = [
    ...['', 'test loss', 'Gini', 'min-max', 'floor'],
    ...(hasVariance ? ['variance', 'CV'] : []),
    ...(isReported ? ['paper: loss', 'Gini', 'min-max'] : []),
    ...(hasVariance ? ['variance'] : []),
  ];
  const numeric = head.map((_, i) => i > 0);
  if (!isReported) return { head, rows: lines, numeric };
  const ranks = (['testLoss', 'gini', 'minMax'] as const).map((key) => {
    const correlation = rankCorrelation(
      ours.map((run) => run[key]),
      rows.map((row) => row[key]),
    );
    return correlation === null ? '-' : correlation.toFixed(2);
  });
  return { head, rows: [...lines, ['rank correlation', ...ranks, ...head.slice(4).map(() => '')]], numeric };
}

/** "6.19e4": it spans orders of magnitude. */
function varianceText(variance: number | null): string {
  return variance === null ? '-' : variance.toExponential(2).replace('+', '');
}

function measuresText({ testLoss, gini, minMax }: Omit<PaperMeasures, 'variance'>): string[] {
  return [testLoss === null ? '-' : formatNumber(testLoss, 3), formatMeasure(gini), formatMeasure(minMax)];
}

/**
 * Spearman's: Pearson's correlation of the ranks, from -1 (opposite orders) to 1 (the same); equal values share the
 * mean of their ranks.
 *
 * @returns null where it is undefined: for values that are missing, all equal, or fewer than three
 */
export function rankCorrelation(first: readonly (number | null)[], second: readonly (number | null)[]): number | null {
  const a = ranksOf(first);
  const b = ranksOf(second);
  if (a === null || b === null || a.length < 3) return null;
  const middle = (a.length + 1) / 2;
  const covariance = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, rank, i) => sum + (rank - middle) * (y[i]! - middle), 0);
  const scale = Math.sqrt(covariance(a, a) * covariance(b, b));
  return scale === 0 ? null : covariance(a, b) / scale;
}

function ranksOf(values: readonly (number | null)[]): number[] | null {
  const known = values.filter((value) => value !== null);
  if (known.length < values.length) return null;
  // As many as are smaller, then the middle of those that are equal.
  return known.map((value) => {
    const equal = known.filter((other) => other === value).length;
    return known.filter((other) => other < value).length + (equal + 1) / 2;
  });
}
