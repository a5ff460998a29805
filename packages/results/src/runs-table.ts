/** Tables of runs: each in a row, or those of a name averaged over their seeds. */
import { informationOf, type Measures, type RunResult, type Setting } from './runs.ts';
import { type Cell, formatMeasure, formatNumber, type TextTable } from './table.ts';

/** What a column says of a run: what it is, the same for runs of a name but for the seed, or what was measured. */
interface RunColumn {
  readonly title: string;
  readonly of: (run: RunResult) => Cell;
  /** Of what was measured. */
  readonly format?: (value: number) => string;
}

const decimals =
  (digits: number) =>
  (value: number): string =>
    formatNumber(value, digits);

const COLUMNS: Readonly<Record<string, RunColumn>> = {
  name: { title: '', of: ({ name }) => name },
  title: { title: '', of: ({ title }) => title },
  router: { title: 'router', of: ({ router }) => `\`${router}\`` },
  seed: { title: 'seed', of: ({ seed }) => seed },
  steps: { title: 'steps', of: ({ steps }) => steps },
  experts: { title: 'experts', of: ({ experts }) => experts },
  topK: { title: 'k', of: ({ topK }) => topK },
  testLoss: { title: 'test loss', of: ({ testLoss }) => testLoss, format: decimals(3) },
  mutualInformation: { title: 'MI', of: informationOf, format: decimals(3) },
  tokensPerSecond: { title: 'tokens/s', of: ({ tokensPerSecond }) => tokensPerSecond, format: decimals(0) },
};

const MEASURE_TITLES: Readonly<Record<string, string>> = { gini: 'Gini', minMax: 'min-max' };

/**
 * A column by its key: one of COLUMNS, a measure ("gini", or "worst.gini" of the worst layer), or the dotted path of a
 * setting.
 */
function columnOf(key: string, runs: readonly RunResult[], shared: Readonly<Record<string, Setting>>): RunColumn {
  const known = COLUMNS[key];
  if (known !== undefined) return known;
  const [, worst = '', measure = key] = /^(worst\.)?(.*)$/.exec(key)!;
  if (runs.some(({ mean }) => measure in mean)) {
    const title = `${worst === '' ? '' : 'worst '}${MEASURE_TITLES[measure] ?? measure}`;
    const of = (run: RunResult): Cell => (worst === '' ? run.mean : run.worst)?.[measure] ?? null;
    return { title, of, format: formatMeasure };
  }
  if (key in shared || runs.some(({ settings }) => key in settings)) {
    return { title: key, of: ({ settings }) => settingCell(settings[key] ?? shared[key] ?? null) };
  }
  const names = [...Object.keys(COLUMNS), ...Object.keys(runs[0]?.mean ?? {})];
  throw new RangeError(
    `there is no column "${key}"; there are ${names.join(', ')}, worst. with a measure, and settings such as lpr.temperature`,
  );
}

function settingCell(value: Setting): Cell {
  return typeof value === 'boolean' ? String(value) : value;
}

/** What a table of runs shows. */
export interface RunsView {
  /** Keys of columns, each with the title that stands in place of its own. */
  readonly columns: readonly { readonly key: string; readonly title?: string | undefined }[];
  /** A row for each run, or for the runs of a name: means, with the standard deviation over seeds behind `±`. */
  readonly by: 'run' | 'name';
  /** Keys of columns; the smallest first. Without any, the order of the runs. */
  readonly sort: readonly string[];
  /** Whether the reference levels stand below. */
  readonly levels: boolean;
}

/** Runs of the columns' choice as a table. */
export function runsTable(
  runs: readonly RunResult[],
  shared: Readonly<Record<string, Setting>>,
  titles: Readonly<Record<string, string>>,
  { columns, by, sort, levels }: RunsView,
): TextTable {
  const titled = runs.map((run) => ({ ...run, title: titles[run.name] ?? run.title }));
  const groups = by === 'run' ? titled.map((run) => [run]) : groupedBy(titled, ({ name }) => name);
  // The first key last: sorting keeps the order of what is equal.
  for (const key of sort.toReversed()) {
    const { of } = columnOf(key, titled, shared);
    groups.sort((a, b) => compareCells(mean(a.map(of)), mean(b.map(of))));
  }
  const shown = columns.map(({ key, title }) => {
    const column = columnOf(key, titled, shared);
    return { key, column: title === undefined ? column : { ...column, title } };
  });
  const rows = groups.map((group) => shown.map(({ column }) => groupText(column, group)));
  const below = levels
    ? levelRows(titled).map(({ title, gini, minMax }) =>
        shown.map(({ key }, i) =>
          i === 0 ? title : key === 'gini' ? formatMeasure(gini) : key === 'minMax' ? formatMeasure(minMax) : '',
        ),
      )
    : [];
  return {
    head: shown.map(({ column }) => column.title),
    rows: [...rows, ...below],
    numeric: shown.map(({ column }) => titled.every((run) => typeof column.of(run) !== 'string')),
  };
}

function groupText({ of, format }: RunColumn, group: readonly RunResult[]): string {
  const cells = group.map(of);
  if (format === undefined) return [...new Set(cells)].map((cell) => (cell === null ? '' : String(cell))).join(', ');
  const values = cells.filter((cell) => typeof cell === 'number');
  if (values.length < cells.length) return '';
  const average = mean(values) as number;
  if (values.length === 1) return format(average);
  const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / (values.length - 1);
  return `${format(average)} ± ${format(Math.sqrt(variance))}`;
}

/** Of numbers; otherwise the first cell. */
function mean(cells: readonly Cell[]): Cell {
  const values = cells.filter((cell) => typeof cell === 'number');
  return values.length < cells.length ? cells[0]! : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function compareCells(a: Cell, b: Cell): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
}

/** A level that routers without structure reach. */
export interface LevelRow {
  readonly title: string;
  readonly gini: number | null;
  readonly minMax: number | null;
}

/** What levels depend on, and how a row names it. */
const CAUSES: readonly (readonly [keyof RunResult, name: (value: number) => string])[] = [
  ['experts', (experts) => `${experts} experts`],
  ['topK', (topK) => `k ${topK}`],
  ['latentDim', (width) => `width ${width}`],
  ['evaluatedTokens', (tokens) => `${formatNumber(tokens, 0)} tokens`],
];

/** The levels of some runs: one of each kind where all runs share it, else each that differs, named by why. */
export function levelRows(runs: readonly RunResult[]): LevelRow[] {
  const rowsOf = (title: string, level: (run: RunResult) => Measures): LevelRow[] => {
    const distinct = groupedBy(runs, (run) => JSON.stringify(level(run))).map(([run]) => run!);
    const causes = CAUSES.filter(([key]) => new Set(distinct.map((run) => run[key])).size > 1);
    return distinct.map((run) => {
      const why = causes.flatMap(([key, name]) => (run[key] === null ? [] : [name(run[key] as number)]));
      return { title: [title, ...why].join(', '), ...level(run) };
    });
  };
  return [
    ...rowsOf('sampling floor', ({ samplingFloor }) => samplingFloor),
    ...rowsOf('isotropic null', ({ isotropicNull }) => isotropicNull),
  ];
}

function groupedBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups.values()];
}
