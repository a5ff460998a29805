/** What settings do to results: of each run the settings in which runs differ, its loss and its balance. */
import { parallelCoordinates as chart, type ParallelCoordinatesInput, parallelCoordinatesSize } from '@lpr/charts';
import type { Part } from '@lpr/runs/browser';
import { shortPath, varyingSettings } from '../names.ts';
import type { RunParts } from '../parts.ts';
import { shownMeasures } from '../tables/measures.ts';
import { collect, defineFigure, type FigureRecord, type FigureWith } from './figure.ts';
import { ofText } from './load.ts';

export type ParallelNumbers = Pick<ParallelCoordinatesInput, 'axes' | 'runs' | 'colourAxis'>;

/** An evaluated run with its settings. */
export interface RunResults {
  readonly name: string;
  readonly settings: ReadonlyMap<string, string>;
  readonly loss: number;
  readonly step: number;
  readonly tokens: number;
  /** By the keys of `shownMeasures('short')`; those that there are not are left out. */
  readonly balance: Readonly<Record<string, number | null | undefined>>;
}

const CAPTION =
  'Settings in which runs differ, loss on held-out text and measures of balance (mean over layers): a line for each run.';

/** Settings that have an axis at most: those that come first. */
const MOST_SETTINGS = 8;
/** Numbers that span more than this have a logarithmic axis. */
const WIDE = 10;
const LOSS = 'test loss';
const MODEL = ['architecture', 'router'];

/** Of evaluated runs. */
export function parallelRecord(runs: readonly RunResults[]): FigureRecord<ParallelNumbers> {
  const settings = runs.map((run) => run.settings);
  const differs = (path: string): boolean => new Set(settings.map((each) => each.get(path))).size > 1;
  const varying = [...MODEL.filter(differs), ...varyingSettings(settings).filter((path) => !MODEL.includes(path))];
  const paths = varying.slice(0, MOST_SETTINGS);
  const columns = [
    ...paths.map((path) => ({
      title: shortPath(path, paths),
      values: settings.map((each) => valueOf(each.get(path))),
    })),
    { title: LOSS, values: runs.map(({ loss }) => loss) },
    ...shownMeasures('short').map(({ key, title }) => ({
      title,
      values: runs.map(({ balance }) => balance[key] ?? null),
    })),
  ]
    .map(({ title, values }) => ({ title, values: values.map(known) }))
    .filter(({ title, values }) => title === LOSS || values.some((value) => value !== null));
  const axes = columns.map(({ title, values }) => ({ title, kind: kindOf(values, title === LOSS) }));
  const { what, names: _, ...of } = ofText('held-out', runs);
  return {
    kind: 'parallel-coordinates',
    title: `Settings against results on ${what}`,
    caption: CAPTION,
    of: { runs: runs.map(({ name }) => name), text: 'held-out', ...of },
    numbers: {
      axes,
      runs: runs.map(({ name }, i) => ({ name, values: columns.map(({ values }) => values[i]!) })),
      colourAxis: columns.findIndex(({ title }) => title === LOSS),
    },
    levels: [],
    notes:
      varying.length > MOST_SETTINGS
        ? [`Of ${varying.length} settings that differ the first ${MOST_SETTINGS} are shown.`]
        : [],
  };
}

/** What an axis can show; null for what is no number. */
function known(value: number | string | null): number | string | null {
  return typeof value === 'number' && !Number.isFinite(value) ? null : value;
}

/** A setting as a number where it is one. */
function valueOf(text: string | undefined): number | string | null {
  if (text === undefined || text === 'null') return null;
  const number = Number(text);
  return text.trim() !== '' && Number.isFinite(number) ? number : text;
}

function kindOf(values: readonly (number | string | null)[], isLoss: boolean): 'linear' | 'log' | 'category' {
  const known = values.filter((value) => value !== null);
  const numbers = known.filter((value) => typeof value === 'number');
  if (numbers.length < known.length) return 'category';
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  return !isLoss && least > 0 && most >= WIDE * least ? 'log' : 'linear';
}

export const parallelCoordinates: FigureWith<ParallelNumbers> = defineFigure<ParallelNumbers>({
  name: 'parallel-coordinates',
  heading: 'Settings against results',
  caption: CAPTION,
  records(runs) {
    const { found, missing } = collect(runs, resultsOf);
    if (found.length > 1) return { records: [parallelRecord(found.map(({ value }) => value))], missing };
    return { records: [], missing: [...missing, 'it compares runs: give at least two that were evaluated'] };
  },
  draw(numbers, { theme, width }) {
    const own = parallelCoordinatesSize(numbers);
    const input = { ...numbers, ...(width !== undefined && width < own.width && { width }) };
    return { option: chart(input, theme), size: parallelCoordinatesSize(input) };
  },
  table: ({ axes, runs }) => ({
    header: ['run', ...axes.map(({ title }) => title)],
    rows: runs.map(({ name, values }) => [name, ...values]),
  }),
});

function resultsOf({ name, evaluation, facts, settings = new Map() }: RunParts): Part<RunResults> {
  if (evaluation.value === undefined) return evaluation;
  const { loss, balance, step, evaluatedTokens: tokens } = evaluation.value;
  // A run whose settings are not known says its router all the same.
  const known = new Map<string, string>([
    ...(facts.router === null ? [] : [['router', facts.router] as const]),
    ...settings,
  ]);
  return { value: { name, settings: known, loss, step, tokens, balance: balance?.mean ?? {} } };
}
