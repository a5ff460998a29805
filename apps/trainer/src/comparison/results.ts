/** What a comparison gave: its runs as results beside what the paper reports, and the tables that it prints of them. */
import {
  comparisonTable,
  formatNumber,
  formatShort,
  markdownLines,
  modelTitle,
  runNames,
  shownExperts,
  tableText,
} from '@lpr/report/tables';
import {
  comparedRun,
  flatSettings,
  type PaperTableResult,
  paperTable,
  publishedRows,
  type RunResult,
} from '@lpr/results';
import { settingTexts, type Summary } from '@lpr/runs';
import { predictRun } from '../run/prediction.ts';
import type { Settings } from '../settings/schema.ts';
import type { Comparison } from './comparison.ts';
import { PAPER_TABLES, type PaperRow } from './paper.ts';

type Model = Summary['models'][number];

/**
 * A run of a comparison; its settings are all that it has.
 *
 * @param title its model's unless given
 */
export function runResult(
  settings: Settings,
  model: Model,
  title: string = modelTitle(settings.architecture, settings.router),
): RunResult {
  const { architecture, router, seed, lpr } = settings;
  return {
    name: model.name,
    title,
    router,
    architecture,
    seed,
    steps: model.steps,
    experts: model.experts,
    topK: shownExperts(model.expertsPerToken),
    latentDim: lpr?.latentDim ?? null,
    parameters: predictRun(settings).parameters,
    trainedTokens: model.tokens,
    evaluatedTokens: model.evaluationTokens,
    testLoss: model.testLoss,
    ...(model.usage && { usage: model.usage }),
    trainingFlops: model.trainingFlops ?? null,
    mean: model.balance?.mean ?? {},
    worst: model.balance?.worst ?? null,
    pValue: model.pValue,
    mutualInformation: model.mutualInformation,
    mutualInformationBias: model.mutualInformationBias,
    tokensPerSecond: model.tokensPerSecond,
    samplingFloor: model.levels?.samplingFloor ?? {},
    isotropicNull: model.levels?.isotropicNull ?? {},
    settings: flatSettings(settings),
  };
}

/** The paper's tables beside which a comparison stands; for routers side by side, its rows of their architecture. */
export function paperResults({ runs, tables }: Comparison): PaperTableResult[] {
  const rowOf = ({ title, paper }: PaperRow, run: string | null) => ({ title, run, ...paper });
  if (tables.size > 0) {
    return Array.from(tables, ([number, names]) => {
      const { title, rows } = PAPER_TABLES[number];
      return { number, title, rows: rows.map((row, i) => rowOf(row, names[i]!)) };
    });
  }
  const [{ architecture }] = [...runs.values()] as [Settings];
  const { title, rows } = PAPER_TABLES[1];
  const same = rows.filter((row) => row.architecture === architecture);
  return [{ number: 1, title, rows: same.map((row) => rowOf(row, null)) }];
}

/** What a finished comparison prints. */
export function comparisonReport(comparison: Comparison, summary: Summary): string {
  const settingsOf = ({ name }: Model): Settings => comparison.runs.get(name)!;
  const names = runNames(
    summary.models.map((model) => ({
      name: model.name,
      path: model.name,
      settings: new Map(settingTexts(settingsOf(model))),
    })),
  );
  const results = summary.models.map((model, i) => runResult(settingsOf(model), model, names[i]));
  const [first] = results as [RunResult, ...RunResult[]];
  const paper = paperResults(comparison);
  if (comparison.tables.size === 0) {
    return [
      tableText(comparisonTable(results.map(comparedRun), publishedRows(paper[0]!.rows))),
      ...summary.models.flatMap(({ stepTimeShares }, i) =>
        Object.keys(stepTimeShares).length === 0
          ? []
          : [`Training time, ${results[i]!.title}: ${timeShares(stepTimeShares)}`],
      ),
    ].join('\n');
  }
  const heading =
    `Ours: ${formatShort(first.parameters)} parameters in the first row, ${formatShort(first.trainedTokens)} training tokens, ` +
    `${formatNumber(first.evaluatedTokens, 0)} held-out tokens, where a uniform router's Gini is the floor.\n` +
    'The paper: 0.6B parameters, 100M training tokens (table 1: 1B), another corpus: for the pattern, not the values';
  const tables = paper.map((table) =>
    [`Table ${table.number}: ${table.title}`, '', ...markdownLines(paperTable(table, results))].join('\n'),
  );
  return [heading, ...tables].join('\n\n');
}

/** "head 37 %, experts 33 %, ...": the largest first, what rounds to nothing left out. */
function timeShares(shares: Readonly<Record<string, number>>): string {
  return Object.entries(shares)
    .toSorted(([, a], [, b]) => b - a)
    .filter(([, share]) => share >= 0.005)
    .map(([part, share]) => `${part} ${Math.round(100 * share)} %`)
    .join(', ');
}
