/** Tables of runs: each in a row, or those of a name averaged over their seeds. */
import { balanceMeasures } from '@lpr/metrics';
import {
  formatMeasure,
  formatNumber,
  formatShort,
  type Levels,
  levelsOf,
  rangeText,
  type TextTable,
} from '@lpr/report/tables';
import { informationOf, namedLevels, type RunResult, type Setting } from './runs.ts';

type Cell = string | number | null;

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
  active: { title: 'active', of: ({ usage }) => usage?.activeParameters ?? null, format: formatShort },
  flops: { title: 'FLOP/token', of: ({ usage }) => usage?.flopsPerToken ?? null, format: formatShort },
  testLoss: { title: 'test loss', of: ({ testLoss }) => testLoss, format: decimals(3) },
  mutualInformation: { title: 'MI', of: informationOf, format: decimals(3) },
  tokensPerSecond: { title: 'tokens/s', of: ({ tokensPerSecond }) => tokensPerSecond, format: decimals(0) },
};

/**
 * A column by its key: one of COLUMNS, a measure ("gini", or "worst.gini" of the worst layer), or the dotted path of a
 * setting.
 */
function columnOf(key: string, runs: readonly RunResult[], shared: Readonly<Record<string, Setting>>): RunColumn {
  const known = COLUMNS[key];
  if (known !== undefined) return known;
  const measure = measureOf(key);
  if (measure !== undefined && runs.some(({ mean }) => measure.key in mean)) {
    const isWorst = measure.key !== key;
    const of = (run: RunResult): Cell => (isWorst ? run.worst : run.mean)?.[measure.key] ?? null;
    const format = (value: number): string => formatMeasure(value, measure.decimals);
    return { title: `${isWorst ? 'worst ' : ''}${measure.title}`, of, format };
  }
  if (key in shared || runs.some(({ settings }) => key in settings)) {
    return { title: key, of: ({ settings }) => settingCell(settings[key] ?? shared[key] ?? null) };
  }
  const names = [...Object.keys(COLUMNS), ...Object.keys(runs[0]?.mean ?? {})];
  throw new RangeError(
    `there is no column "${key}"; there are ${names.join(', ')}, worst. with a measure, and settings such as lpr.temperature`,
  );
}

/** The measure of a column's key, its own or "worst." before it. */
function measureOf(key: string): (typeof balanceMeasures)[number] | undefined {
  return balanceMeasures.find((measure) => measure.key === key || `worst.${measure.key}` === key);
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
    ? levelsOf(titled.map(namedLevels)).map(({ name, ranges }) =>
        shown.map(({ key }, i) => (i === 0 ? name : levelText(ranges, key))),
      )
    : [];
  return {
    head: shown.map(({ column }) => column.title),
    rows: [...rows, ...below],
    numeric: shown.map(({ column }) => titled.every((run) => typeof column.of(run) !== 'string')),
  };
}

function levelText(levels: Levels, key: string): string {
  const measure = measureOf(key);
  const level = measure?.key === key ? levels[measure.key] : undefined;
  if (level === undefined) return '';
  const text = (value: number | null): string => formatMeasure(value, measure!.decimals);
  return typeof level === 'object' && level !== null ? rangeText(level, text) : text(level);
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

function groupedBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups.values()];
}
