/** What a comparison gave: its runs as results beside what the paper reports, and the tables that it prints of them. */
import { basename, isAbsolute } from 'node:path';
import { comparisonTable, formatShort, modelTitle, shownExperts, tableText, varyingSettings } from '@lpr/report/tables';
import {
  comparedRun,
  estimateOf,
  flatSettings,
  groupRuns,
  PAPER_LEGEND,
  paperLines,
  type PaperTableResult,
  publishedRows,
  QUANTITIES,
  type RunGroup,
  type RunResult,
} from '@lpr/results';
import { settingTexts, type Summary } from '@lpr/runs';
import { unknownName } from '../cli/errors.ts';
import { textKey } from '../pool/sessions.ts';
import { predictRun } from '../run/prediction.ts';
import type { Settings } from '../settings/schema.ts';
import { baselineRow } from './baselines.ts';
import type { Comparison } from './comparison.ts';
import { PAPER_TABLES } from './paper.ts';

/** A finished run, as `summary.json` has it. */
export type Model = Summary['models'][number];

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
    ...(model.placement && { placement: model.placement }),
    samplingFloor: model.levels?.samplingFloor ?? {},
    isotropicNull: model.levels?.isotropicNull ?? {},
    settings: flatSettings(JSON.parse(JSON.stringify(settings), withoutFolder) as object),
  };
}

/** Of a file that a setting names by its whole path, the name alone: where it lay is of one machine. */
function withoutFolder(_: string, value: unknown): unknown {
  return typeof value === 'string' && isAbsolute(value) ? basename(value) : value;
}

/** The paper's tables beside which a comparison stands; for routers side by side, its rows of their architecture. */
export function paperResults({ runs, tables }: Comparison): PaperTableResult[] {
  if (tables.size > 0) {
    return Array.from(tables, ([number, formulations]) => {
      const { title, rows } = PAPER_TABLES[number];
      return {
        number,
        title,
        rows: rows.map((row, i) => ({
          title: row.title,
          baseline: baselineRow(rows, row)?.title ?? null,
          runs: Object.fromEntries(Array.from(formulations, ([formulation, names]) => [formulation, names[i]!])),
          ...row.paper,
        })),
      };
    });
  }
  const [{ architecture }] = [...runs.values()] as [Settings];
  const { title, rows } = PAPER_TABLES[1];
  const same = rows.filter((row) => row.architecture === architecture);
  return [
    { number: 1, title, rows: same.map((row) => ({ title: row.title, baseline: null, runs: {}, ...row.paper })) },
  ];
}

/** Settings of which the parts of the training time are not told one by one. */
const MOST_TIMED = 12;

/**
 * What a finished comparison prints.
 *
 * @param sort what its rows go by: `name`, `testLoss`, `information`, or a measure of balance; their order unless given
 * @throws UsageError where there is no such column
 */
export function comparisonReport(
  comparison: Comparison,
  { models }: Pick<Summary, 'models'>,
  results: readonly RunResult[],
  sort?: string,
): string {
  const paper = paperResults(comparison);
  if (comparison.tables.size > 0) {
    const tables = paper.map((table) => paperLines(table, results).join('\n'));
    return [reproductionHeading(results), ...tables, PAPER_LEGEND].join('\n\n');
  }
  const groups = groupRuns(results);
  const baseline = groups.find(({ name }) => name === comparison.baseline) ?? null;
  const compared = sorted(groups, sort).map((group) => comparedRun(group, baseline));
  const varied = varyingSettings(Array.from(comparison.runs.values(), (settings) => new Map(settingTexts(settings))));
  const timed = groups.length > MOST_TIMED ? [] : groups;
  const times = timed.flatMap(({ name, runs }) => {
    const shares = meanShares(models.filter((_, i) => results[i]!.name === name).map((model) => model.stepTimeShares));
    return Object.keys(shares).length === 0 ? [] : [`Training time, ${runs[0].title}: ${timeShares(shares)}`];
  });
  // Routers are compared with the paper's; one setting, of several seeds, is compared with nothing.
  const published = publishedRows(groups.length > 1 && varied.length === 0 ? paper[0]!.rows : []);
  const table = comparisonTable(compared, published, baseline?.runs[0].title, varied);
  const texts = new Set(Array.from(comparison.runs.values(), textKey));
  const warning =
    texts.size > 1
      ? ['The runs read other text or have other tokens (data, size.vocabulary): their losses are of other things.']
      : [];
  return [tableText(table), ...warning, ...times].join('\n');
}

function sorted(groups: readonly RunGroup[], sort: string | undefined): readonly RunGroup[] {
  if (sort === undefined) return groups;
  if (sort === 'name') return groups.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const quantity = QUANTITIES.find((each) => each === sort);
  if (quantity === undefined) throw unknownName('column', sort, ['name', ...QUANTITIES]);
  // Those that have none come last.
  const valueOf = (group: RunGroup): number => estimateOf(group, quantity)?.mean ?? Infinity;
  return groups.toSorted((a, b) => valueOf(a) - valueOf(b));
}

function reproductionHeading(results: readonly RunResult[]): string {
  const [first] = results as [RunResult, ...RunResult[]];
  return (
    `Ours: ${formatShort(first.parameters)} parameters in the first row, ${formatShort(first.trainedTokens)} training tokens. ` +
    'The paper: 0.6B parameters, 100M training tokens (table 1: 1B), another corpus: for the pattern, not the values'
  );
}

function meanShares(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const parts = new Set(all.flatMap((shares) => Object.keys(shares)));
  return Object.fromEntries(
    Array.from(parts, (part) => [part, all.reduce((sum, shares) => sum + (shares[part] ?? 0), 0) / all.length]),
  );
}

/** "head 37 %, experts 33 %, ...": the largest first, what rounds to nothing left out. */
function timeShares(shares: Readonly<Record<string, number>>): string {
  return Object.entries(shares)
    .toSorted(([, a], [, b]) => b - a)
    .filter(([, share]) => share >= 0.005)
    .map(([part, share]) => `${part} ${Math.round(100 * share)} %`)
    .join(', ');
}
