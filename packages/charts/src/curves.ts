/** Loss and balance over the steps of one or several runs, beside the levels that routers without structure reach. */
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

/** What a run recorded at one step; a figure that was not recorded then is left out. */
export interface CurvePoint {
  readonly step: number;
  /** Cross entropy in nats per token. */
  readonly loss?: number;
  /** Mean over layers, of the window that ends at this step. */
  readonly gini?: number;
  readonly minMax?: number;
  readonly maxVio?: number;
}

/** A level to compare balance with, such as the sampling floor and the isotropic null of `@lpr/metrics`. */
export interface ReferenceLevel {
  readonly name: string;
  readonly gini: number;
  readonly minMax: number;
  /** MaxVio. */
  readonly maxViolation?: number;
}

export interface CurvesInput {
  /** One line per panel each; names must differ. */
  readonly runs: readonly { readonly name: string; readonly points: readonly CurvePoint[] }[];
  readonly references?: readonly ReferenceLevel[];
  /** Where the steps begin; default 0. */
  readonly firstStep?: number;
  /** CSS pixels; default 1200. */
  readonly width?: number;
}

const PANELS = [
  { figure: 'loss', title: 'Training loss', subtitles: ['cross entropy, nats per token'] },
  { figure: 'gini', title: 'Gini', subtitles: ['0 is perfect balance'] },
  { figure: 'minMax', title: 'Min-max', subtitles: ['1 is perfect balance, 0 a dead expert', '1 is perfect balance'] },
  {
    figure: 'maxVio',
    title: 'MaxVio',
    subtitles: ['excess of the busiest expert, 0 is balance', '0 is perfect balance'],
  },
] as const;

export const REFERENCE_DASHES = [
  [2, 3],
  [7, 4],
  [9, 3, 2, 3],
] as const;

/** Lines after the last colour start again with these. */
const REPEAT_DASHES = [undefined, [5, 2], [1.5, 1.5]] as const;

/** Width and height in CSS pixels that `trainingCurves(input)` is drawn for. */
export function curvesSize(input: CurvesInput): Size {
  return lineFigureSize(figureOf(input, 'light'));
}

/**
 * ECharts option of panels over training steps: loss, Gini, min-max and, where a run has it, MaxVio. A loss of more
 * than 200 points is drawn pale, with its moving average over 1% of them on top.
 *
 * @throws RangeError where there is no run, or two have one name.
 */
export function trainingCurves(input: CurvesInput, theme: ThemeName = 'light'): EChartsOption {
  return lineFigureOption(figureOf(input, theme), theme);
}

function figureOf({ runs, references = [], firstStep = 0, width = 1200 }: CurvesInput, theme: ThemeName): LineFigure {
  if (runs.length === 0) throw new RangeError('training curves need at least one run, got none');
  const names = namesOf([...runs, ...references]);
  const last = runs.reduce((step, { points }) => Math.max(step, points.at(-1)?.step ?? 0), 0);
  const hasMaxVio = runs.some(({ points }) => points.some(({ maxVio }) => maxVio !== undefined));
  const panels = PANELS.filter(({ figure }) => figure !== 'maxVio' || hasMaxVio).map(
    ({ figure, title, subtitles }): LinePanel => {
      const lines = runs.flatMap(({ points }, run): Line[] => {
        const recorded = points.flatMap((point): [number, number][] => {
          const value = point[figure];
          return value === undefined ? [] : [[point.step, value]];
        });
        const line = { name: names[run]!, points: recorded, ...runStyle(run, theme) };
        if (figure !== 'loss' || recorded.length <= 200) return [line];
        // The first line of a name gives the legend its look.
        return [
          { ...line, points: movingAverage(recorded) },
          { ...line, faint: true },
        ];
      });
      const levels = figure === 'loss' ? [] : references.map((reference) => reference[REFERENCE_FIGURE[figure]]);
      return {
        title,
        subtitles,
        x: { name: 'Step', min: firstStep, max: last },
        y: { free: figure === 'loss' },
        lines: [
          ...lines,
          ...levels.flatMap((level, i) => referenceLine(names[runs.length + i]!, i, level, [firstStep, last], theme)),
        ],
      };
    },
  );
  return { panels, perRow: panels.length, width, plotHeight: 200, legend: names };
}

const REFERENCE_FIGURE = { gini: 'gini', minMax: 'minMax', maxVio: 'maxViolation' } as const;

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

/** A level across a panel; nothing where it is not known. */
export function referenceLine(
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
  const dash = REFERENCE_DASHES[index % REFERENCE_DASHES.length]!;
  return [{ name, points, colour: themeOf(theme).inkSoft, width: 1.25, dash }];
}

/** Each value averaged with its neighbours, over 1% of all points. */
function movingAverage(points: readonly [number, number][]): [number, number][] {
  const reach = Math.round(points.length / 200);
  // Sums up to each point, so that long runs take no longer a point than short ones.
  const sums = [0];
  for (const [, value] of points) sums.push(sums.at(-1)! + value);
  return points.map(([step], i) => {
    const [from, to] = [Math.max(0, i - reach), Math.min(points.length, i + reach + 1)];
    return [step, (sums[to]! - sums[from]!) / (to - from)];
  });
}
