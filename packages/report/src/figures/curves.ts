/** Loss and balance over the steps of training, beside the levels that routers without structure reach. */
import { type CurvesInput, curvesSize, type Look, trainingCurves, valueAt } from '@lpr/charts';
import type { BalanceMeasure, MeasureRange } from '@lpr/metrics';
import type { Series, SeriesFile } from '@lpr/runs/browser';
import type { RoutedWindow } from '../levels.ts';
import { bySetting, mean } from '../looks.ts';
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
  /** Runs of one are drawn as their mean, in the band that they fill. */
  readonly setting?: string | undefined;
  readonly look?: Look | undefined;
  readonly file: SeriesFile;
  /** A logging window; null where there is none. */
  readonly window: RoutedWindow | null;
  readonly latentDim: number | null;
}

export interface CurveNumbers {
  readonly panels: CurvesInput['panels'];
  /** Means over `seeds`, where there are several. */
  readonly runs: CurvesInput['runs'];
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
  const drawn = bySetting(runs).map(({ runs: own, ...named }): CurveNumbers['runs'][number] => {
    const seeds = own.map(({ file }) => seriesOf(file));
    const clock = clockOf(own[0]!.file);
    return seeds.length === 1
      ? { ...named, clock, series: seeds[0]! }
      : { ...named, clock, series: meanSeries(seeds), seeds };
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
        {
          ...{ key: 'loss', title: 'Training loss', subtitles: ['cross entropy of each step'] },
          ...{ axis: 'Loss, nats per token', free: true, smooth: true },
        },
        ...shownMeasures('short').map((measure) => ({
          key: measure.key,
          title: measure.title,
          subtitles: [measure.meaning, balancedValue(measure)],
          axis: measureAxis(measure),
          ...(isShare(measure) && { bound: 1 }),
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
        ? [`Lines are means over ${seeds ?? 'several'} seeds, bands reach from the lowest seed to the highest.`]
        : []),
      ...(averaged > 1 ? [`Each point is the mean of up to ${whole(averaged)} recorded values.`] : []),
    ],
  };
}

/** The measure with its unit. */
function measureAxis({ title, unit }: BalanceMeasure): string {
  return unit === '' ? title : `${title}, ${unit}`;
}

/** Whether it never exceeds 1, however many experts there are. */
function isShare({ bounds }: BalanceMeasure): boolean {
  return [2, 1000].every((experts) => bounds(experts)[1] <= 1);
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

function pointsOf(series: Series | undefined): Point[] {
  return series === undefined ? [] : Array.from(series.steps, (step, i) => [step, series.values[i]!] as const);
}

/** Tokens, and minutes by the speed of each logging window, as far as they were recorded. */
function clockOf({ series }: SeriesFile): NonNullable<CurveNumbers['runs'][number]['clock']> {
  const tokens = pointsOf(series['tokens']);
  let [minutes, before] = [0, 0];
  const passed = pointsOf(series['tokensPerSecond']).flatMap(([step, speed]): Point[] => {
    const now = valueAt(tokens, step);
    if (speed > 0) minutes += (now - before) / speed / 60;
    before = now;
    return [[step, minutes]];
  });
  return { ...(tokens.length > 0 && { tokens }), ...(minutes > 0 && { minutes: passed }) };
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
  series: [...Object.values(SERIES), 'tokens', 'tokensPerSecond'],
  records(runs, context) {
    const { found, missing } = collect(runs, ({ series }) => series);
    if (found.length === 0) return { records: [], missing };
    const shown = found.map(({ run: { name, setting, look, window, facts }, value: file }) => ({
      ...{ name, setting, look },
      file,
      window,
      latentDim: facts.latentDim,
    }));
    return { records: [curvesRecord(shown, context)], missing };
  },
  axes: ({ runs }) => [
    'step',
    ...(['tokens', 'minutes'] as const).filter((axis) => runs.every((run) => run.clock?.[axis])),
  ],
  draw(numbers, { theme, width, view }, record) {
    // A run may have the name of a level, and names tell lines apart.
    const levels = chartLevels(record).filter(({ name }) => numbers.runs.every((run) => run.name !== name));
    const input = { ...numbers, levels, ...(view && { view }), ...(width !== undefined && { width }) };
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
