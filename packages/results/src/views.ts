/** What a marker in Markdown may ask of a stored result, and the lines that it gets. */
import { comparisonTable, markdownLines, type TableRecord, tableText, textTable } from '@lpr/report/tables';
import { comparedRun, groupRuns, type RunGroup } from './estimates.ts';
import { publishedRows } from './paper.ts';
import { paperLines } from './paper-table.ts';
import type { ResultFile, RunsResult, TablesResult } from './result-file.ts';
import type { RunResult } from './runs.ts';
import { runsTable } from './runs-table.ts';

type Options = ReadonlyMap<string, string>;

/**
 * The lines of Markdown that stand for a result. Lists are separated by semicolons.
 *
 * | of | keys |
 * |---|---|
 * | tables | `table` (where there are several), `rows` (first cells), `columns` (keys): those shown, in this order |
 * | runs | `view=runs` (default): `columns` (keys, each with `:` and a title if need be) |
 * | | `by` (`run` or `name`), `baseline` (a name), `sort`, `names`, `seed`, `levels=yes` |
 * | runs | `view=comparison`: the text that `compare` prints; `seed`, `baseline` (a name) |
 * | runs | `view=paper`: `table` of the paper by its number; `formulations` (those shown, in this order) |
 *
 * @throws RangeError for a key or value that the result does not have
 */
export function renderView(result: ResultFile, options: Options): string[] {
  if (result.kind === 'tables') return tableView(result, options);
  const view = options.get('view') ?? 'runs';
  const render = RUN_VIEWS[view];
  if (render === undefined) {
    throw new RangeError(`there is no view "${view}"; there are ${Object.keys(RUN_VIEWS).join(', ')}`);
  }
  return render(result, options);
}

const RUN_VIEWS: Readonly<Record<string, (result: RunsResult, options: Options) => string[]>> = {
  comparison(result, options) {
    checkKeys(options, ['view', 'seed', 'baseline']);
    const groups = groupRuns(chosenRuns(result, options));
    const baseline = baselineOf(groups, options);
    const compared = groups.map((group) => comparedRun(group, baseline));
    const published = publishedRows(result.paper[0]?.rows ?? []);
    const table = comparisonTable(compared, published, baseline?.runs[0].title);
    return ['```', ...tableText(table).split('\n'), '```'];
  },
  paper(result, options) {
    checkKeys(options, ['view', 'table', 'formulations']);
    const table = result.paper.find(({ number }) => String(number) === options.get('table'));
    if (table === undefined) {
      throw new RangeError(`table must be one of ${result.paper.map(({ number }) => number).join(', ')}`);
    }
    return paperLines(table, result.runs, list(options, 'formulations'));
  },
  runs(result, options) {
    checkKeys(options, ['view', 'columns', 'by', 'baseline', 'sort', 'names', 'seed', 'levels']);
    const by = options.get('by') ?? 'run';
    if (by !== 'run' && by !== 'name') throw new RangeError(`by is "${by}", not run or name`);
    const columns = list(options, 'columns');
    if (columns === undefined) throw new RangeError('columns names no columns');
    const table = runsTable(chosenRuns(result, options), result.shared, result.titles, {
      columns: columns.map((word) => {
        const [, key, title] = /^([^:]*?)(?:\s*:\s*(.*))?$/.exec(word)!;
        return { key: key!, title };
      }),
      by,
      baseline: options.get('baseline') ?? null,
      sort: list(options, 'sort') ?? [],
      levels: options.get('levels') === 'yes',
    });
    return tableLines(table, table.notes);
  },
};

function tableView({ tables }: TablesResult, options: Options): string[] {
  checkKeys(options, ['table', 'rows', 'columns']);
  const names = Object.keys(tables);
  const table = tables[options.get('table') ?? (names.length === 1 ? names[0]! : '')];
  if (table === undefined) throw new RangeError(`table must be one of ${names.join(', ')}`);
  const nameOf = table.columns[0]!.key;
  const rows = pick('rows', list(options, 'rows'), table.rows, (row) => String(row[nameOf] as string | number));
  const columns = pick('columns', list(options, 'columns'), table.columns, ({ key }) => key);
  return tableLines({ columns, rows }, table.notes);
}

/** With its notes below. */
function tableLines(table: Pick<TableRecord, 'columns' | 'rows' | 'below'>, notes: readonly string[]): string[] {
  return [...markdownLines(textTable(table)), ...(notes.length > 0 ? ['', ...notes.map((note) => `- ${note}`)] : [])];
}

/** Those that were named, in the order of their names; all, where none was. */
function pick<T>(
  what: string,
  wanted: readonly string[] | undefined,
  all: readonly T[],
  nameOf: (item: T) => string,
): readonly T[] {
  if (wanted === undefined) return all;
  return wanted.map((name) => {
    const item = all.find((each) => nameOf(each) === name);
    if (item === undefined) throw new RangeError(`${what} has no "${name}"; there are ${all.map(nameOf).join('; ')}`);
    return item;
  });
}

function chosenRuns({ runs }: RunsResult, options: Options): [RunResult, ...RunResult[]] {
  const names = list(options, 'names');
  const seed = options.get('seed');
  const named = names === undefined ? runs : names.flatMap((name) => runs.filter((run) => run.name === name));
  const missing = names?.find((name) => runs.every((run) => run.name !== name));
  const [first, ...others] = named.filter((run) => seed === undefined || String(run.seed) === seed);
  if (missing !== undefined || first === undefined) {
    const known = [...new Set(runs.map((run) => `${run.name} (seed ${run.seed})`))].join('; ');
    throw new RangeError(`there is no run of that name or seed; there are ${known}`);
  }
  return [first, ...others];
}

/** The group that others are compared with, as `compare` does: the own router's unless another one is named. */
function baselineOf(groups: readonly RunGroup[], options: Options): RunGroup | null {
  const name = options.get('baseline') ?? 'top-k';
  const group = groups.find((each) => each.name === name);
  if (group !== undefined || !options.has('baseline')) return group ?? null;
  throw new RangeError(`baseline is "${name}"; there are ${groups.map((each) => each.name).join(', ')}`);
}

function list(options: Options, key: string): string[] | undefined {
  return options
    .get(key)
    ?.split(';')
    .map((word) => word.trim());
}

function checkKeys(options: Options, known: readonly string[]): void {
  for (const key of options.keys()) {
    if (!known.includes(key)) throw new RangeError(`there is no key "${key}" here; there are ${known.join(', ')}`);
  }
}
