/** Routers side by side: the table that a comparison prints. */
import { informationOf, type RunResult } from './runs.ts';
import { levelRows } from './runs-table.ts';
import { alignColumns, formatMeasure, formatNumber } from './table.ts';
import type { PaperMeasures } from './paper.ts';

const HEAD = ['', 'k', 'test loss', 'Gini', 'min-max', 'worst Gini', 'worst min-max', 'MI', 'tokens/s'];

/** The models of a comparison, the reference levels, and rows of the paper that they correspond to, as text. */
export function comparisonText(
  runs: readonly [RunResult, ...RunResult[]],
  paper: readonly (PaperMeasures & { readonly title: string })[],
): string[] {
  const measured = runs.map((run) => {
    const information = informationOf(run);
    return [
      run.title,
      String(run.topK),
      formatNumber(run.testLoss, 4),
      formatMeasure(run.mean.gini),
      formatMeasure(run.mean.minMax),
      formatMeasure(run.worst?.gini ?? null),
      formatMeasure(run.worst?.minMax ?? null),
      information === null ? '' : formatNumber(information, 3),
      run.tokensPerSecond === null ? '' : formatNumber(run.tokensPerSecond, 0),
    ];
  });
  const levels = levelRows(runs).map(({ title, gini, minMax }) => [
    title,
    '',
    '',
    formatMeasure(gini),
    formatMeasure(minMax),
  ]);
  const published = paper.map(({ title, testLoss, gini, minMax }) => [
    title,
    '',
    formatMeasure(testLoss),
    formatMeasure(gini),
    formatMeasure(minMax),
  ]);
  const lines = alignColumns([HEAD, ...measured, ...levels, ...published]);
  const ours = 1 + measured.length + levels.length;
  return [
    `${formatNumber(runs[0].evaluatedTokens, 0)} held-out tokens; balance is the mean over layers; MI is I(expert; token) in nats, less its bias`,
    ...lines.slice(0, ours),
    ...(paper.length === 0
      ? []
      : ['The paper, table 1 (0.6B parameters, 1B tokens, another corpus: for the pattern, not the values)']),
    ...lines.slice(ours),
  ];
}
