/** What ranks that own some experts each send each other, and how they wait for the one with the most rows. */
import { curvesSize, type Look, trainingCurves } from '@lpr/charts';
import type { SeriesFile } from '@lpr/runs/browser';
import { type CurveNumbers, joined, type Point } from './curves.ts';
import { collect, defineFigure, type FigureRecord, type FigureWith, whole } from './figure.ts';

const CAPTION =
  'All ranks wait, layer by layer, for the one whose experts get the most rows: the more even the load, the less time is lost.';

/** Panels by their series, with what a value is divided by to be drawn. */
const PANELS = [
  {
    ...{ key: 'slowestLoad', title: 'Slowest rank', subtitles: ['rows of the rank with the most, over the mean'] },
    ...{ axis: 'Load over the mean', free: true, unit: 1 },
  },
  {
    ...{ key: 'imbalance', title: 'Lost to imbalance', subtitles: ['waiting for slower ranks, mean over ranks'] },
    ...{ axis: 'Milliseconds a step', free: false, unit: 1 },
  },
  {
    ...{ key: 'sentTokens', title: 'Tokens sent', subtitles: ['to experts of other ranks, and back'] },
    ...{ axis: 'MB a rank and step', free: false, unit: 1e6 },
  },
] as const;

/** A run of several ranks, and what it recorded. */
export interface RunOfRanks {
  readonly name: string;
  readonly look?: Look | undefined;
  readonly file: SeriesFile;
}

/** @param runs of which each recorded the load of its slowest rank */
export function ranksRecord(runs: readonly RunOfRanks[]): FigureRecord<CurveNumbers> {
  const pointsOf = ({ series }: SeriesFile, key: string, unit: number): Point[] => {
    const { steps, values } = series[`ranks.${key}`]!;
    return Array.from(steps, (step, i) => [step, values[i]! / unit] as const);
  };
  const last = Math.max(...runs.map(({ file }) => file.series['ranks.slowestLoad']!.steps.at(-1) ?? 0));
  return {
    kind: 'ranks',
    title: `Load of the slowest rank in training, and what it costs, until step ${whole(last)}`,
    caption: CAPTION,
    of: { runs: runs.map(({ name }) => name), text: 'training', step: last },
    numbers: {
      panels: PANELS.map(({ key, title, subtitles, axis, free }) => ({ key, title, subtitles, axis, free })),
      runs: runs.map(({ name, look, file }) => ({
        ...{ name, ...look },
        series: Object.fromEntries(PANELS.map(({ key, unit }) => [key, pointsOf(file, key, unit)])),
      })),
      firstStep: 0,
    },
    levels: [],
    notes: ['Means over the steps of each logging window and over the ranks; times are those of this machine.'],
  };
}

export const ranks: FigureWith<CurveNumbers> = defineFigure<CurveNumbers>({
  name: 'ranks',
  heading: 'Ranks that wait for each other',
  caption: CAPTION,
  series: PANELS.map(({ key }) => `ranks.${key}`),
  records(runs) {
    const { found, missing } = collect(runs, ({ series }) => {
      if (series.value === undefined || series.value.series['ranks.slowestLoad'] !== undefined) return series;
      return { missing: 'no ranks trained it that own some experts each' };
    });
    // Most runs are of one process, and nobody misses it there.
    if (found.length === 0) return { records: [], missing: [] };
    return {
      records: [ranksRecord(found.map(({ run: { name, look }, value: file }) => ({ name, look, file })))],
      missing,
    };
  },
  axes: () => ['step'],
  draw(numbers, { theme, width, view }) {
    const input = { ...numbers, ...(view && { view }), ...(width !== undefined && { width }) };
    return { option: trainingCurves(input, theme), size: curvesSize(input) };
  },
  table({ runs }) {
    const keys = PANELS.map(({ key }) => key);
    return {
      header: ['run', 'step', ...keys],
      rows: runs.flatMap(({ name, series }) =>
        joined(keys.map((key) => series[key] ?? [])).map(({ step, values }) => [name, step, ...values]),
      ),
    };
  },
});
