/** What one or several runs recorded over their steps, beside the levels that routers without structure reach. */
import type { MeasureRange } from '@lpr/metrics';
import type { EChartsOption } from 'echarts';
import { type Line, type LineFigure, type LinePanel, lineFigureOption, lineFigureSize } from './lines.ts';
import { type LineView, movingAverage, valueAt, viewed, type XAxisKind } from './line-view.ts';
import { type Look, looksOf, lookStyle, namesOf, referenceStyle, spreadOf } from './looks.ts';
import type { ThemeName } from './palette.ts';
import type { Size } from './parts.ts';

/** Something that runs recorded, in a panel of its own. */
export interface CurvePanel {
  /** Under which runs and levels have it. */
  readonly key: string;
  readonly title: string;
  /** From long to short, for the room that there is. */
  readonly subtitles: readonly string[];
  /** What its axis is of, with the unit: "loss, nats per token". */
  readonly axis: string;
  /** Whether the axis may start elsewhere than at 0. */
  readonly free?: boolean;
  /** The greatest value that there can be: the axis ends there. */
  readonly bound?: number;
  /** Whether more than 200 points are drawn pale, with their moving average over 1% of them on top. */
  readonly smooth?: boolean;
}

type Point = readonly [step: number, value: number];
type CurveSeries = Readonly<Record<string, readonly Point[]>>;

export interface CurvesInput {
  /** From left to right; one that no run has points for is left out. */
  readonly panels: readonly CurvePanel[];
  /** One line per panel each; names must differ. `series` has the points of each panel, steps ascending. */
  readonly runs: readonly (Look & {
    readonly name: string;
    readonly series: CurveSeries;
    /** Single seeds, whose mean the series is: a band from the lowest to the highest. */
    readonly seeds?: readonly CurveSeries[];
    /** Tokens trained on, and minutes, by the step. */
    readonly clock?: Readonly<Partial<Record<'tokens' | 'minutes', readonly Point[]>>>;
  })[];
  /** Levels to compare with, such as the sampling floor and the isotropic null of `@lpr/metrics`, by panel. */
  readonly levels?: readonly {
    readonly name: string;
    readonly ranges: Readonly<Record<string, MeasureRange>>;
  }[];
  /** What stands in the place of steps, such as ranks; on a logarithmic axis where that is said. */
  readonly across?: { readonly name: string; readonly type?: 'value' | 'log' };
  /** Where the steps begin; default 0. */
  readonly firstStep?: number;
  /** CSS pixels; default 1200. */
  readonly width?: number;
  /** How it is looked at. */
  readonly view?: LineView;
}

/** Of more points, some series are drawn smoothed. */
const SMOOTHED_FROM = 200;
/** Of at most so many runs, what is smoothed is drawn raw behind it. */
const MOST_RAW = 3;

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
  const { runs, levels = [], across: named, firstStep = 0, width = 1200, view = {} } = input;
  if (runs.length === 0) throw new RangeError('training curves need at least one run, got none');
  const { looks, legend } = looksOf(runs, theme);
  const levelNames = namesOf([...legend.map((name) => ({ name })), ...levels]).slice(legend.length);
  const shown = input.panels.filter(({ key }) => runs.some(({ series }) => (series[key]?.length ?? 0) > 0));
  if (shown.length === 0) throw new RangeError('training curves need at least one point, got none');
  const { x: kind = 'step', smoothing } = view;
  const across = runs.map((run) => placeOf(run, kind));
  const ends = runs.flatMap(({ series }, run) => shown.map(({ key }) => across[run]!(series[key]?.at(-1)?.[0] ?? 0)));
  const [first, last] = [Math.min(...across.map((at) => at(firstStep))), Math.max(...ends)];
  const panels = shown.map(({ key, title, subtitles, axis, free = false, bound, smooth = false }): LinePanel => {
    const lines = runs.flatMap(({ series, seeds = [] }, run): Line[] => {
      const moved = (raw: readonly Point[]): readonly Point[] =>
        raw.map(([step, value]) => [across[run]!(step), value]);
      const points = moved(series[key] ?? []);
      const line: Line = { points, ...lookStyle(looks[run]!) };
      const isSmoothed = smoothing === undefined && smooth && points.length > SMOOTHED_FROM;
      const drawn = (raw: readonly Point[]): readonly Point[] =>
        isSmoothed ? movingAverage(raw, Math.round(raw.length / 200)) : raw;
      const isBanded = seeds.length > 0 && !looks[run]!.isGrey;
      return [
        {
          ...{ ...line, points: drawn(points) },
          ...(isBanded && { spread: spreadOf(seeds.map((seed) => drawn(moved(seed[key] ?? [])))) }),
        },
        // Behind many lines they would be a carpet.
        ...(isSmoothed && runs.length <= MOST_RAW ? [{ ...line, faint: true }] : []),
      ];
    });
    return {
      title,
      subtitles,
      x: { name: X_NAMES[kind], min: first, max: last, whole: kind !== 'minutes', ...named },
      y: { name: axis, free, ...(bound !== undefined && { bound }) },
      lines: [
        ...lines,
        ...levels.flatMap(({ ranges }, i) => levelLine(levelNames[i]!, i, ranges[key], [first, last], theme)),
      ],
    };
  });
  const drawnLevels = levelNames.filter((_, i) =>
    shown.some(({ key }) => Number.isFinite(levels[i]!.ranges[key]?.mean)),
  );
  const figure = { panels, perRow: panels.length, width, plotHeight: 200, legend: [...legend, ...drawnLevels] };
  return viewed(figure, view);
}

const X_NAMES: Readonly<Record<XAxisKind, string>> = {
  step: 'Step',
  tokens: 'Tokens trained on',
  minutes: 'Time trained, minutes',
};

/** Where a step of a run lies on the axis: between the points of its clock, and before the first from 0 on. */
function placeOf({ name, clock }: CurvesInput['runs'][number], kind: XAxisKind): (step: number) => number {
  if (kind === 'step') return (step) => step;
  const points = clock?.[kind];
  if (points === undefined || points.length === 0) throw new RangeError(`run "${name}" does not say its ${kind}`);
  return (step) => valueAt(points, step);
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
