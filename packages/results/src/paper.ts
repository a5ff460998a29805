/** Tables of a paper that are reproduced: what it reports of each row, and which of our settings stand for it. */
import { z } from 'zod';
import type { comparisonTable } from '@lpr/report/tables';

/** null where the paper gives none. */
export interface PaperMeasures {
  readonly testLoss: number | null;
  readonly gini: number | null;
  readonly minMax: number | null;
  /** Variance of the loads, in squared tokens, of a number of tokens of its own. */
  readonly variance?: number | undefined;
}

export interface PaperRowResult extends PaperMeasures {
  readonly title: string;
  /** The title of the row that it is compared with; null for that row, and where there is none. */
  readonly baseline: string | null;
  /** By formulations, names of the settings that stand for it; none where it is shown for itself. */
  readonly runs: Readonly<Record<string, string>>;
}

export interface PaperTableResult {
  readonly number: number;
  readonly title: string;
  readonly rows: readonly PaperRowResult[];
}

/** How earlier versions named the run of a row: of the one formulation that there was. */
function withFormulations(row: unknown): unknown {
  if (typeof row !== 'object' || row === null || !('run' in row)) return row;
  const { run, ...rest } = row;
  return { baseline: null, ...rest, runs: run === null ? {} : { [UNNAMED]: run } };
}

/** The formulation of results that do not say which. */
const UNNAMED = 'ours';

/** What is called how where rows of formulations stand below each other. */
const FORMULATIONS: Readonly<Record<string, { readonly title: string; readonly short: string }>> = {
  paper: { title: 'paper: its equations read literally', short: '`paper`' },
  official: { title: 'official: what its released code computes', short: '`official`' },
  corrected: { title: 'corrected', short: '`corrected`' },
  'no-bias': { title: 'corrected without its selection bias', short: '`corrected` without bias' },
};

/** The heading of a formulation's rows, and what it is called in a sentence. */
export function formulationTitles(formulation: string): { readonly title: string; readonly short: string } {
  return FORMULATIONS[formulation] ?? { title: formulation, short: formulation };
}

export const paperTableSchema: z.ZodType<PaperTableResult> = z.strictObject({
  number: z.int(),
  title: z.string(),
  rows: z.array(
    z.preprocess(
      withFormulations,
      z.strictObject({
        title: z.string(),
        baseline: z.string().nullable(),
        runs: z.record(z.string(), z.string()),
        testLoss: z.number().nullable(),
        gini: z.number().nullable(),
        minMax: z.number().nullable(),
        variance: z.number().optional(),
      }),
    ),
  ),
});

/** Rows of the paper's first table as a comparison shows them below ours. */
export function publishedRows(rows: PaperTableResult['rows']): Parameters<typeof comparisonTable>[1] {
  return {
    heading: 'The paper, table 1 (0.6B parameters, 1B tokens, another corpus: for the pattern, not the values)',
    rows: rows.map(({ title, testLoss, gini, minMax }) => ({ title, testLoss, measures: { gini, minMax } })),
  };
}
