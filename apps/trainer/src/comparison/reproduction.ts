/** The paper's tables as comparisons: each row a run, the size of the models and their text as options say. */
import type { LatentPrototypeOptions } from '@lpr/moe';
import type { Summary } from '@lpr/runs';
import type { Comparison } from './comparison.ts';
import { UsageError } from '../cli/errors.ts';
import { counterpartOf } from '../settings/decisions.ts';
import { PAPER_TABLES, type PaperFigures, type PaperRow, type PaperTableNumber } from './paper.ts';
import { predictRun, short } from '../run/prediction.ts';
import { presetName, resolveSettings, routerNames, type SettingOptions } from '../settings/resolve.ts';
import { FORMULATIONS, type RouterName } from '../settings/routers.ts';
import type { Settings } from '../settings/schema.ts';
import { figure, markdownTable } from '../cli/table.ts';

/**
 * Tables as they are named on the command line: numbers, or "all".
 *
 * @throws UsageError for others, or one twice
 */
export function tableNumbers(names: readonly string[]): PaperTableNumber[] {
  const known = Object.keys(PAPER_TABLES);
  const chosen = names.includes('all') ? known : names;
  const unknown = chosen.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`unknown table "${unknown}". Known: ${known.join(', ')}, all`);
  return [...new Set(chosen)].map((name) => Number(name) as PaperTableNumber);
}

/**
 * The runs of some tables. Rows that come to the same settings share one.
 *
 * @throws UsageError when the options name another router than LPR, and as resolveSettings
 */
export function reproductionOf(numbers: readonly PaperTableNumber[], options: SettingOptions): Comparison {
  const router = routerNames(options) as RouterName;
  if (FORMULATIONS[router] === undefined) {
    throw new UsageError(
      `--router ${router}: the tables are about LPR; name one of its formulations: ${Object.keys(FORMULATIONS).join(', ')}`,
    );
  }
  const runs = new Map<string, Settings>();
  const tables = new Map<PaperTableNumber, readonly string[]>();
  for (const number of numbers) {
    const names = PAPER_TABLES[number].rows.map((row) => {
      const { name, settings } = runOf(row, router, options);
      runs.set(name, settings);
      return name;
    });
    tables.set(number, names);
  }
  return { runs, tables };
}

/**
 * A row's settings, and what tells them from those that the options name: "lpr", "lpr,latentDim=4", "mixtral,top-k".
 */
function runOf(row: PaperRow, formulation: RouterName, options: SettingOptions): { name: string; settings: Settings } {
  const { architecture } = resolveSettings(options);
  const { architecture: arch = architecture } = row;
  const router = row.isOwnRouter ? 'top-k' : formulation;
  const preset = counterpartOf(presetName(options), arch, router);
  // What is set of LPR is passed over where a row has the architecture's own router.
  const resolve = (set: readonly string[]): Settings =>
    resolveSettings({ ...options, preset, arch, router, set: [...options.set, ...set] }, [router, formulation]);
  const before = resolve([]);
  const { lpr, size } = changesOf(row, before);
  const changes = [...changed('lpr', lpr, before.lpr), ...changed('size', size, before.size)];
  const words = [
    ...(arch === architecture ? [] : [arch]),
    router,
    ...changes.map((change) => change.slice(change.indexOf('.') + 1)),
  ];
  return { name: words.join(','), settings: resolve(changes) };
}

function changesOf(
  { lpr, size, strengthFactor }: PaperRow,
  before: Settings,
): { lpr: Partial<LatentPrototypeOptions>; size: Partial<Settings['size']> } {
  const strength = strengthFactor === undefined ? {} : { strength: strengthFactor * before.lpr!.strength };
  return { lpr: { ...lpr, ...strength }, size: size ?? {} };
}

/** As `--set` takes them; without those that change nothing. */
function changed(group: string, fields: object, before: object | undefined): string[] {
  const known = new Map(Object.entries(before ?? {}));
  return Object.entries(fields)
    .filter(([field, value]) => known.get(field) !== value)
    .map(([field, value]) => `${group}.${field}=${value}`);
}

/** All tables of a reproduction as Markdown. */
export function reproductionText({ runs, tables }: Comparison, summary: Summary): string {
  const [settings] = [...runs.values()] as [Settings];
  const { parameters, tokens } = predictRun(settings);
  const [{ evaluationTokens }] = summary.models as [Summary['models'][number]];
  const heading =
    `Ours: ${short(parameters)} parameters in the first row, ${short(tokens)} training tokens, ${evaluationTokens.toLocaleString('en')} held-out tokens, where a uniform ` +
    "router's Gini is the floor.\nThe paper: 0.6B parameters, 100M training tokens (table 1: 1B), another corpus: for the pattern, not the values";
  return [heading, ...Array.from(tables, ([table, names]) => paperTableText(table, names, summary))].join('\n\n');
}

/** A table with ours and the paper's figures side by side, and how far they rank the rows alike. */
function paperTableText(number: PaperTableNumber, names: readonly string[], summary: Summary): string {
  const { title, rows } = PAPER_TABLES[number];
  const models = names.map((name) => summary.models.find((model) => model.name === name)!);
  const lines = rows.map(({ title: row, paper }, i) => [
    row,
    ...figuresOf(models[i]!),
    figure(models[i]!.samplingFloor.gini),
    ...figuresOf(paper),
  ]);
  const ranks = (['testLoss', 'gini', 'minMax'] as const).map((key) => {
    const correlation = rankCorrelation(
      models.map((model) => model[key]),
      rows.map(({ paper }) => paper[key]),
    );
    return correlation === null ? '-' : correlation.toFixed(2);
  });
  const table = markdownTable([
    ['', 'test loss', 'Gini', 'min-max', 'floor', 'paper: loss', 'Gini', 'min-max'],
    ...lines,
    ['rank correlation', ...ranks, '', '', '', ''],
  ]);
  return [`Table ${number}: ${title}`, '', ...table].join('\n');
}

function figuresOf({ testLoss, gini, minMax }: { readonly [Key in keyof PaperFigures]: number | null }): string[] {
  return [testLoss === null ? '-' : testLoss.toFixed(3), figure(gini), figure(minMax)];
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
