/** Loss and balance over the steps of training, beside the levels that routers without structure reach. */
import { curvesSize, trainingCurves } from '@lpr/charts';
import type { MeasureRange } from '@lpr/metrics';
import type { Series, SeriesFile } from '@lpr/runs/browser';
import type { RoutedWindow } from '../levels.ts';
import type { DataTable } from '../tables/csv.ts';
import { balancedValue, type Levels, shownMeasures } from '../tables/measures.ts';
import {
  collect,
  common,
  defineFigure,
  type FigureContext,
  type FigureRecord,
  type FigureWith,
  levelsAndNotes,
  whole,
} from './figure.ts';

/** The curves of one run. */
export interface RunCurves {
  readonly name: string;
  /** Runs of one are drawn as their mean, with each of them behind. */
  readonly setting?: string | undefined;
  readonly file: SeriesFile;
  /** A logging window; null where there is none. */
  readonly window: RoutedWindow | null;
  readonly latentDim: number | null;
}

export interface CurveNumbers {
  readonly panels: Parameters<typeof trainingCurves>[0]['panels'];
  /** Means over `seeds`, where there are several. */
  readonly runs: readonly {
    readonly name: string;
    readonly series: CurveSeries;
    readonly seeds?: readonly CurveSeries[];
  }[];
  readonly firstStep: number;
}

type CurveSeries = Readonly<Record<string, readonly Point[]>>;

export type Point = readonly [step: number, value: number];

const CAPTION =
  'Balance is that of each logging window, averaged over layers. A uniform router would reach the sampling floor; random latents and keys, with no training, the isotropic null.';

/** Series by the panels that they are drawn in. */
const SERIES: Readonly<Record<string, string>> = {
  loss: 'loss',
  ...Object.fromEntries(shownMeasures('short').map(({ key }) => [key, `balance.${key}`])),
};

/** @param from step that the axis begins at */
export function curvesRecord(
  runs: readonly RunCurves[],
  context: FigureContext,
  from: number = 0,
): FigureRecord<CurveNumbers> {
  const drawn = groupsOf(runs).map(({ name, files }) => {
    const seeds = files.map(seriesOf);
    return seeds.length === 1 ? { name, series: seeds[0]! } : { name, series: meanSeries(seeds), seeds };
  });
  const seeds = common(drawn.flatMap(({ seeds: own }) => own?.length ?? []));
  const last = Math.max(0, ...runs.map(({ file }) => file.series['loss']?.steps.at(-1) ?? 0));
  const averaged = Math.max(1, ...runs.map(({ file }) => file.valuesPerPoint));
  const { levels, notes } = levelsAndNotes(runs, context);
  const tokens = common(runs.flatMap(({ window }) => (window === null ? [] : [window.tokens])));
  return {
    kind: 'curves',
    title: `Loss and balance in training, steps ${whole(from + 1)} to ${whole(Math.max(from + 1, last))}`,
    caption: CAPTION,
    of: { runs: runs.map(({ name }) => name), text: 'training', step: last, ...(tokens !== undefined && { tokens }) },
    numbers: {
      panels: [
        { key: 'loss', title: 'Training loss', subtitles: ['cross entropy, nats per token'], free: true, smooth: true },
        ...shownMeasures('short').map((measure) => ({
          key: measure.key,
          title: measure.title,
          subtitles: [measure.meaning, balancedValue(measure)],
        })),
      ],
      runs: drawn,
      firstStep: from,
    },
    levels,
    notes: [
      ...(notes.length > 0 && tokens !== undefined
        ? [
            `Balance is that of logging windows of ${whole(tokens)} tokens; levels are of as many, bands their 95 % ranges.`,
          ]
        : []),
      ...notes,
      ...(drawn.some(({ seeds: own }) => own !== undefined)
        ? [`Lines are means over ${seeds ?? 'several'} seeds, the pale ones behind are single seeds.`]
        : []),
      ...(averaged > 1 ? [`Each point is the mean of up to ${whole(averaged)} recorded values.`] : []),
    ],
  };
}

/** Runs of a setting together, in the order in which the settings first occur. */
function groupsOf(runs: readonly RunCurves[]): { name: string; files: SeriesFile[] }[] {
  const groups = new Map<string, RunCurves[]>();
  for (const run of runs) groups.set(run.setting ?? run.name, [...(groups.get(run.setting ?? run.name) ?? []), run]);
  return Array.from(groups, ([setting, own]) => ({
    name: own.length === 1 ? own[0]!.name : setting,
    files: own.map(({ file }) => file),
  }));
}

function seriesOf({ series: recorded }: SeriesFile): CurveSeries {
  return Object.fromEntries(Object.entries(SERIES).map(([key, series]) => [key, pointsOf(recorded[series])]));
}

/** At those steps that all seeds recorded. */
function meanSeries(seeds: readonly CurveSeries[]): CurveSeries {
  return Object.fromEntries(
    Object.keys(SERIES).map((key) => {
      const rows = joined(seeds.map((series) => series[key] ?? []));
      const whole = rows.filter(({ values }) => !values.includes(null));
      return [key, whole.map(({ step, values }): Point => [step, mean(values as number[])])];
    }),
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function pointsOf(series: Series | undefined): Point[] {
  return series === undefined ? [] : Array.from(series.steps, (step, i) => [step, series.values[i]!] as const);
}

/** Levels as charts take them: those measures that have a range. */
export function chartLevels(
  record: Pick<FigureRecord, 'levels'>,
): { name: string; ranges: Record<string, MeasureRange> }[] {
  return record.levels.map(({ name, ranges }) => ({ name, ranges: rangesOf(ranges) }));
}

function rangesOf(levels: Levels): Record<string, MeasureRange> {
  return Object.fromEntries(
    Object.entries(levels).flatMap(([key, level]) =>
      typeof level === 'object' && level !== null ? [[key, level] as const] : [],
    ),
  );
}

/** Several series as rows by step, each with the values that were recorded there. */
export function joined(series: readonly (readonly Point[])[]): { step: number; values: (number | null)[] }[] {
  const rows = new Map<number, { step: number; values: (number | null)[] }>();
  for (const [column, points] of series.entries()) {
    for (const [step, value] of points) {
      let row = rows.get(step);
      if (row === undefined) rows.set(step, (row = { step, values: series.map(() => null) }));
      row.values[column] = value;
    }
  }
  return [...rows.values()].toSorted((a, b) => a.step - b.step);
}

export const curves: FigureWith<CurveNumbers> = defineFigure<CurveNumbers>({
  name: 'curves',
  heading: 'Loss and balance over training',
  caption: CAPTION,
  records(runs, context) {
    const { found, missing } = collect(runs, ({ series }) => series);
    if (found.length === 0) return { records: [], missing };
    const shown = found.map(({ run: { name, setting, window, facts }, value: file }) => ({
      name,
      setting,
      file,
      window,
      latentDim: facts.latentDim,
    }));
    return { records: [curvesRecord(shown, context)], missing };
  },
  draw(numbers, { theme, width }, record) {
    // A run may have the name of a level, and names tell lines apart.
    const levels = chartLevels(record).filter(({ name }) => numbers.runs.every((run) => run.name !== name));
    const input = { ...numbers, levels, ...(width !== undefined && { width }) };
    return { option: trainingCurves(input, theme), size: curvesSize(input) };
  },
  table({ runs }): DataTable {
    const keys = Object.keys(SERIES);
    return {
      header: ['run', 'step', ...keys],
      rows: runs.flatMap(({ name, series }) =>
        joined(keys.map((key) => series[key] ?? [])).map(({ step, values }) => [name, step, ...values]),
      ),
    };
  },
});
