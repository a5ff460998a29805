/** Tables of runs: each in a row, or those of a name averaged over their seeds. */
import { type BalanceKey, type BalanceMeasure, balanceMeasures, type Estimate, meanEstimate } from '@lpr/metrics';
import {
  type Cell,
  type Column,
  errorNotes,
  formatNumber,
  hasNoInformation,
  informationCell,
  type Levels,
  levelsOf,
  measuredCell,
  NO_INFORMATION_NOTE,
  placementTitle,
  type Row,
  type RowGroup,
  type TableRecord,
} from '@lpr/report/tables';
import { differenceOf, errorsOf, estimateOf, groupRuns, type Quantity, type RunGroup } from './estimates.ts';
import { informationOf, levelMean, namedLevels, type RunResult, type Setting } from './runs.ts';

type Value = string | number | null;

/** What a column says of a run: what it is, the same for runs of a name but for the seed, or what was measured. */
interface RunColumn extends Omit<Column, 'key'> {
  readonly of: (run: RunResult) => Value;
  /** Of what was measured and has errors of its own. */
  readonly quantity?: Quantity;
  /** A level with the range that chance gives it, which a row of one run shows. */
  readonly range?: (run: RunResult) => Levels[BalanceKey];
}

const COLUMNS: Readonly<Record<string, RunColumn>> = {
  name: { title: '', of: ({ name }) => name },
  title: { title: '', of: ({ title }) => title },
  router: { title: 'router', of: ({ router }) => `\`${router}\`` },
  seed: { title: 'seed', of: ({ seed }) => seed },
  steps: { title: 'steps', of: ({ steps }) => steps },
  experts: { title: 'experts', of: ({ experts }) => experts },
  topK: { title: 'k', of: ({ topK }) => topK },
  active: { title: 'active', of: ({ usage }) => usage?.activeParameters ?? null, format: 'short' },
  flops: { title: 'FLOP/token', of: ({ usage }) => usage?.flopsPerToken ?? null, format: 'short' },
  testLoss: { title: 'test loss', of: ({ testLoss }) => testLoss, decimals: 3, quantity: 'testLoss' },
  mutualInformation: { title: 'MI', of: informationOf, decimals: 3, quantity: 'information' },
  tokensPerSecond: { title: 'tokens/s', of: ({ tokensPerSecond }) => tokensPerSecond, decimals: 0 },
};

/**
 * A column by its key: one of COLUMNS, a measure ("gini", "worst.gini" of the worst layer, or "text.gini", its text
 * floor), a cost of the load ("ranks.4", "capacity.1.25"), or the dotted path of a setting.
 */
function columnOf(key: string, runs: readonly RunResult[], shared: Readonly<Record<string, Setting>>): RunColumn {
  const known = COLUMNS[key];
  if (known !== undefined) return known;
  const measure = measureOf(key);
  if (measure !== undefined && runs.some(({ mean }) => measure.key in mean)) {
    const isWorst = measure.key !== key;
    return {
      title: `${isWorst ? 'worst ' : ''}${measure.title}`,
      of: (run) => (isWorst ? run.worst : run.mean)?.[measure.key] ?? null,
      ...{ decimals: measure.decimals, format: 'measure' },
      ...(!isWorst && { quantity: measure.key }),
    };
  }
  const floor = balanceMeasures.find((each) => `text.${each.key}` === key);
  if (floor !== undefined && runs.some(({ textFloor }) => textFloor !== undefined)) {
    const range = ({ textFloor }: RunResult): Levels[BalanceKey] => textFloor?.[floor.key];
    return {
      title: `${floor.title}, text floor`,
      of: (run) => levelMean(range(run)),
      range,
      ...{ decimals: floor.decimals, format: 'measure' },
    };
  }
  const cost = placementTitle(key);
  if (cost !== null && runs.some(({ placement = {} }) => key in placement)) {
    return { title: cost, of: ({ placement = {} }) => placement[key] ?? null, decimals: 3 };
  }
  if (key in shared || runs.some(({ settings }) => key in settings)) {
    return { title: key, of: ({ settings }) => settingValue(settings[key] ?? shared[key] ?? null) };
  }
  const { mean = {}, placement = {} } = runs[0] ?? {};
  const names = [...Object.keys(COLUMNS), ...Object.keys(mean), ...Object.keys(placement)];
  throw new RangeError(
    `there is no column "${key}"; there are ${names.join(', ')}, worst. and text. with a measure, and settings such as lpr.temperature`,
  );
}

/** The measure of a column's key, its own or "worst." before it. */
function measureOf(key: string): BalanceMeasure | undefined {
  return balanceMeasures.find((measure) => measure.key === key || `worst.${measure.key}` === key);
}

function settingValue(value: Setting): Value {
  return typeof value === 'boolean' ? String(value) : value;
}

/** What a table of runs shows. */
export interface RunsView {
  /** Keys of columns, each with the title that stands in place of its own. */
  readonly columns: readonly { readonly key: string; readonly title?: string | undefined }[];
  /** A row for each run, or for the runs of a name: means over seeds with their 95 % intervals. */
  readonly by: 'run' | 'name';
  /** The name whose runs all others are compared with, in rows below; null: none. */
  readonly baseline: string | null;
  /** Keys of columns; the smallest first. Without any, the order of the runs. */
  readonly sort: readonly string[];
  /** Whether the reference levels stand below. */
  readonly levels: boolean;
}

/**
 * Runs of the columns' choice as a table.
 *
 * @throws RangeError for a column or a baseline that there is not
 */
export function runsTable(
  runs: readonly RunResult[],
  shared: Readonly<Record<string, Setting>>,
  titles: Readonly<Record<string, string>>,
  { columns, by, baseline, sort, levels }: RunsView,
): TableRecord {
  const titled = runs.map((run) => ({ ...run, title: titles[run.name] ?? run.title }));
  const all = groupRuns(titled);
  const groups: RunGroup[] = by === 'run' ? titled.map((run) => ({ name: run.name, runs: [run] })) : all;
  // The first key last: sorting keeps the order of what is equal.
  for (const key of sort.toReversed()) {
    const { of } = columnOf(key, titled, shared);
    groups.sort((a, b) => compareValues(meanOf(a.runs.map(of)), meanOf(b.runs.map(of))));
  }
  const shown = columns.map(({ key, title }) => {
    const column = columnOf(key, titled, shared);
    return { key, column: title === undefined ? column : { ...column, title } };
  });
  const [name] = shown;
  const rowOf = (group: RunGroup): Row =>
    Object.fromEntries(shown.map(({ key, column }) => [key, cellOf(column, group)]));
  const below: RowGroup[] = [];
  if (levels) {
    below.push({
      rows: levelsOf(titled.map(namedLevels)).map((level) =>
        Object.fromEntries(shown.map(({ key }, i) => [key, i === 0 ? level.name : levelCell(level.ranges, key)])),
      ),
    });
  }
  if (baseline !== null) {
    const other = all.find((group) => group.name === baseline);
    if (other === undefined)
      throw new RangeError(`baseline is "${baseline}"; there are ${all.map((group) => group.name).join(', ')}`);
    const rows = groups
      .filter((group) => group.name !== baseline)
      .map((group) => ({
        [name!.key]: cellOf(name!.column, group),
        ...Object.fromEntries(shown.flatMap(({ key, column }) => differenceEntry(key, column, group, other))),
      }));
    below.push({ heading: `Less ${other.runs[0].title}`, rows });
  }
  const marked = groups.some((group) => hasNoInformation(estimateOf(group, 'information')?.mean));
  const shows = (quantity: (of: Quantity) => boolean): boolean =>
    shown.some(({ column }) => column.quantity !== undefined && quantity(column.quantity));
  return {
    title: '',
    columns: shown.map(({ key, column: { title, decimals, format, of } }): Column => {
      const isNumeric = titled.every((run) => typeof of(run) !== 'string');
      return { key, title, decimals, format: format ?? (decimals === undefined && isNumeric ? 'plain' : undefined) };
    }),
    rows: groups.map(rowOf),
    below,
    notes: [
      tokensText(runs),
      ...(shows(() => true) ? errorNotes(groups.map((group) => ({ errorsOf: errorsOf(group) }))) : []),
      ...(marked && shows((quantity) => quantity === 'information') ? [NO_INFORMATION_NOTE] : []),
    ],
  };
}

function tokensText(runs: readonly RunResult[]): string {
  const [only, ...others] = new Set(runs.map(({ evaluatedTokens }) => evaluatedTokens));
  return others.length > 0 ? 'Held-out text.' : `Held-out text, ${formatNumber(only!, 0)} tokens.`;
}

function cellOf({ of, quantity, range, decimals, format }: RunColumn, group: RunGroup): Cell {
  if (range !== undefined && group.runs.length === 1) return range(group.runs[0]) ?? '';
  if (quantity !== undefined) {
    const estimate = estimateOf(group, quantity);
    if (estimate === null) return '';
    return quantity === 'information'
      ? informationCell(estimate.mean, estimate.error)
      : measuredCell(estimate.mean, estimate.error);
  }
  const values = group.runs.map(of);
  if (decimals === undefined && format === undefined) {
    return [...new Set(values)].map((value) => (value === null ? '' : String(value))).join(', ');
  }
  if (values.includes(null)) return '';
  const { mean, error } = meanEstimate(values as number[]);
  return measuredCell(mean, decimals === undefined ? null : error);
}

function differenceEntry(key: string, { quantity }: RunColumn, group: RunGroup, baseline: RunGroup): [string, Cell][] {
  const difference: Estimate | null = quantity === undefined ? null : differenceOf(group, baseline, quantity);
  return difference === null ? [] : [[key, { value: difference.mean, error: difference.error, isDifference: true }]];
}

function levelCell(levels: Levels, key: string): Cell {
  const measure = measureOf(key);
  return measure?.key === key ? (levels[measure.key] ?? '') : '';
}

/** Of numbers; otherwise the first value. */
function meanOf(values: readonly Value[]): Value {
  const numbers = values.filter((value) => typeof value === 'number');
  return numbers.length < values.length ? values[0]! : numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}

function compareValues(a: Value, b: Value): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
}
