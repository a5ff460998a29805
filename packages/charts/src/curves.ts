/** What one or several runs recorded over their steps, beside the levels that routers without structure reach. */
import type { MeasureRange } from '@lpr/metrics';
import type { EChartsOption } from 'echarts';
import {
  LEGEND_FONT,
  LEGEND_NAME,
  type Line,
  type LineFigure,
  type LinePanel,
  lineFigureOption,
  lineFigureSize,
} from './lines.ts';
import { lineColour, type ThemeName, themeOf } from './palette.ts';
import type { Size } from './parts.ts';
import { shortNames } from './text.ts';

/** Something that runs recorded, in a panel of its own. */
export interface CurvePanel {
  /** Under which runs and levels have it. */
  readonly key: string;
  readonly title: string;
  /** From long to short, for the room that there is. */
  readonly subtitles: readonly string[];
  /** Whether the axis may start elsewhere than at 0. */
  readonly free?: boolean;
  /** Whether more than 200 points are drawn pale, with their moving average over 1% of them on top. */
  readonly smooth?: boolean;
}

type CurveSeries = Readonly<Record<string, readonly (readonly [step: number, value: number])[]>>;

export interface CurvesInput {
  /** From left to right; one that no run has points for is left out. */
  readonly panels: readonly CurvePanel[];
  /** One line per panel each; names must differ. `series` has the points of each panel, steps ascending. */
  readonly runs: readonly {
    readonly name: string;
    readonly series: CurveSeries;
    /** Single seeds, whose mean the series is: drawn pale behind it. */
    readonly seeds?: readonly CurveSeries[];
  }[];
  /** Levels to compare with, such as the sampling floor and the isotropic null of `@lpr/metrics`, by panel. */
  readonly levels?: readonly {
    readonly name: string;
    readonly ranges: Readonly<Record<string, MeasureRange>>;
  }[];
  /** Where the steps begin; default 0. */
  readonly firstStep?: number;
  /** CSS pixels; default 1200. */
  readonly width?: number;
}

export const REFERENCE_DASHES = [
  [2, 3],
  [7, 4],
  [9, 3, 2, 3],
] as const;

/** Lines after the last colour start again with these. */
export const REPEAT_DASHES = [
  undefined,
  [5, 2],
  [1.5, 1.5],
  [8, 2, 1.5, 2],
  [12, 3],
  [4, 1.5, 1.5, 1.5, 1.5, 1.5],
] as const;

/** Width and height in CSS pixels that `trainingCurves(input)` is drawn for. */
export function curvesSize(input: CurvesInput): Size {
  return lineFigureSize(figureOf(input, 'light'));
}

/**
 * ECharts option of panels over training steps, such as loss and measures of balance, with levels as lines in their
 * ranges.
 *
 * @throws RangeError where there is no run, none has a point, or two have one name.
 */
export function trainingCurves(input: CurvesInput, theme: ThemeName = 'light'): EChartsOption {
  return lineFigureOption(figureOf(input, theme), theme);
}

function figureOf(input: CurvesInput, theme: ThemeName): LineFigure {
  const { runs, levels = [], firstStep = 0, width = 1200 } = input;
  if (runs.length === 0) throw new RangeError('training curves need at least one run, got none');
  const names = namesOf([...runs, ...levels]);
  const shown = input.panels.filter(({ key }) => runs.some(({ series }) => (series[key]?.length ?? 0) > 0));
  if (shown.length === 0) throw new RangeError('training curves need at least one point, got none');
  const last = Math.max(...runs.flatMap(({ series }) => shown.map(({ key }) => series[key]?.at(-1)?.[0] ?? 0)));
  const panels = shown.map(({ key, title, subtitles, free = false, smooth = false }): LinePanel => {
    const lines = runs.flatMap(({ series, seeds = [] }, run): Line[] => {
      const points = series[key] ?? [];
      const line = { name: names[run]!, points, ...runStyle(run, theme) };
      const isSmoothed = smooth && points.length > 200;
      const behind = seeds.length > 0 ? seeds.map((seed) => seed[key] ?? []) : isSmoothed ? [points] : [];
      // The first line of a name gives the legend its look.
      return [
        isSmoothed ? { ...line, points: movingAverage(points) } : line,
        ...behind.map((own): Line => ({ ...line, points: own, faint: true })),
      ];
    });
    return {
      title,
      subtitles,
      x: { name: 'Step', min: firstStep, max: last },
      y: { free },
      lines: [
        ...lines,
        ...levels.flatMap(({ ranges }, i) =>
          levelLine(names[runs.length + i]!, i, ranges[key], [firstStep, last], theme),
        ),
      ],
    };
  });
  return { panels, perRow: panels.length, width, plotHeight: 200, legend: names };
}

/** Names for the legend. @throws RangeError where two are the same */
export function namesOf(lines: readonly { readonly name: string }[]): string[] {
  const names = lines.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new RangeError(`two lines are named "${twice}"; names tell them apart`);
  return shortNames(names, LEGEND_NAME, LEGEND_FONT);
}

/** How the line of run number `run` looks in every figure. */
export function runStyle(run: number, theme: ThemeName): Pick<Line, 'colour' | 'dash'> {
  const { lines } = themeOf(theme);
  const dash = REPEAT_DASHES[Math.floor(run / lines.length) % REPEAT_DASHES.length];
  return { colour: lineColour(run, themeOf(theme)), ...(dash && { dash }) };
}

/** A level across a panel, in its range; nothing where it is not known. */
function levelLine(
  name: string,
  index: number,
  range: MeasureRange | undefined,
  steps: readonly [number, number],
  theme: ThemeName,
): Line[] {
  const { mean, low, high } = range ?? {};
  return referenceLine(name, index, mean, steps, theme).map((line) => ({
    ...line,
    ...(low !== undefined && high !== undefined && high > low && { band: [low, high] as const }),
  }));
}

/** A value across a panel; nothing where it is not known. */
function referenceLine(
  name: string,
  index: number,
  level: number | undefined,
  [from, to]: readonly [number, number],
  theme: ThemeName,
): Line[] {
  if (level === undefined || !Number.isFinite(level)) return [];
  const points = [
    [from, level],
    [to, level],
  ] as const;
  return [{ name, points, ...referenceStyle(index, theme) }];
}

/** How the line of level number `index` looks in every figure. */
export function referenceStyle(index: number, theme: ThemeName): Pick<Line, 'colour' | 'width' | 'dash'> {
  const dash = REFERENCE_DASHES[index % REFERENCE_DASHES.length]!;
  return { colour: themeOf(theme).inkSoft, width: 1.25, dash };
}

/** Each value averaged with its neighbours, over 1% of all points. */
function movingAverage(points: readonly (readonly [number, number])[]): [number, number][] {
  const reach = Math.round(points.length / 200);
  // Sums up to each point, so that long runs take no longer a point than short ones.
  const sums = [0];
  for (const [, value] of points) sums.push(sums.at(-1)! + value);
  return points.map(([step], i) => {
    const [from, to] = [Math.max(0, i - reach), Math.min(points.length, i + reach + 1)];
    return [step, (sums[to]! - sums[from]!) / (to - from)];
  });
}
