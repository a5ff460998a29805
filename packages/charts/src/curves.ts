/** Loss and balance over the steps of one or several runs, beside the levels that routers without structure reach. */
import type { EChartsOption, LineSeriesOption } from 'echarts';
import { AXIS, FONT, GRID, INK, INK_SOFT, LINES } from './palette.ts';

/** What a run recorded at one step; a figure that was not recorded then is left out. */
export interface CurvePoint {
  readonly step: number;
  /** Cross entropy in nats per token. */
  readonly loss?: number;
  /** Mean over layers, of the window that ends at this step. */
  readonly gini?: number;
  readonly minMax?: number;
}

export interface CurvesInput {
  /** One line per panel each; names must differ. */
  readonly runs: readonly { readonly name: string; readonly points: readonly CurvePoint[] }[];
  /** Levels to compare balance with, such as the sampling floor and the isotropic null of `@lpr/metrics`. */
  readonly references?: readonly { readonly name: string; readonly gini: number; readonly minMax: number }[];
  /** CSS pixels; default 1200. */
  readonly width?: number;
}

const HEIGHT = 340;
const TOP = 58;
const BOTTOM = 82;

const PANELS = [
  { figure: 'loss', title: 'Training loss', subtitle: 'cross entropy, nats per token' },
  { figure: 'gini', title: 'Gini', subtitle: '0 is perfect balance' },
  { figure: 'minMax', title: 'Min-max', subtitle: '1 is perfect balance, 0 a dead expert' },
] as const;

const REFERENCE_DASHES = [
  [2, 3],
  [7, 4],
  [9, 3, 2, 3],
] as const;

/** Width and height in CSS pixels that `trainingCurves(input)` is drawn for. */
export function curvesSize(input: CurvesInput): { width: number; height: number } {
  return { width: input.width ?? 1200, height: HEIGHT };
}

/**
 * ECharts option of three panels over training steps: loss, Gini, min-max. A loss of more than 200 points is drawn pale, with
 * its moving average over 1% of them on top.
 *
 * @throws RangeError where there is no run, or two have one name.
 */
export function trainingCurves(input: CurvesInput): EChartsOption {
  const { runs, references = [] } = input;
  const names = [...runs, ...references].map(({ name }) => name);
  if (runs.length === 0) throw new RangeError('training curves need at least one run, got none');
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new RangeError(`two lines are named "${twice}"; names tell them apart`);

  const { width, height } = curvesSize(input);
  const gap = 58;
  const left = 58;
  const panelWidth = (width - left - 24 - gap * (PANELS.length - 1)) / PANELS.length;
  const leftOf = (panel: number): number => left + panel * (panelWidth + gap);
  const lastStep = runs.reduce((last, { points }) => Math.max(last, points.at(-1)?.step ?? 0), 0);

  return {
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: FONT, color: INK },
    color: [...LINES],
    tooltip: { trigger: 'axis' },
    legend: {
      bottom: 12,
      data: names.map((name) => ({ name })),
      itemWidth: 26,
      // Of no height, the dot that ECharts puts on a legend line vanishes.
      itemHeight: 0,
      itemGap: 22,
      textStyle: { fontFamily: FONT, fontSize: 12, color: INK },
    },
    title: PANELS.map(({ title, subtitle }, panel) => ({
      text: title,
      subtext: subtitle,
      left: leftOf(panel),
      top: 12,
      textAlign: 'left',
      textVerticalAlign: 'top',
      padding: 0,
      itemGap: 6,
      textStyle: { fontFamily: FONT, fontSize: 14, fontWeight: 600, color: INK },
      subtextStyle: { fontFamily: FONT, fontSize: 11.5, color: INK_SOFT },
    })),
    grid: PANELS.map((_, panel) => ({
      left: leftOf(panel),
      top: TOP,
      width: panelWidth,
      height: height - TOP - BOTTOM,
      outerBoundsMode: 'none',
    })),
    xAxis: PANELS.map((_, panel) => ({
      type: 'value',
      gridIndex: panel,
      min: 0,
      max: lastStep,
      name: 'Step',
      nameLocation: 'middle',
      nameGap: 26,
      nameTextStyle: { fontFamily: FONT, fontSize: 12, color: INK },
      splitNumber: 4,
      splitLine: { show: false },
      axisLine: { lineStyle: { color: AXIS } },
      axisTick: { show: true, lineStyle: { color: AXIS } },
      axisLabel: { fontFamily: FONT, fontSize: 11, color: INK_SOFT, hideOverlap: true },
    })),
    yAxis: PANELS.map(({ figure }, panel) => ({
      type: 'value',
      gridIndex: panel,
      scale: figure === 'loss',
      splitNumber: 4,
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { lineStyle: { color: GRID } },
      axisLabel: { fontFamily: FONT, fontSize: 11, color: INK_SOFT },
    })),
    series: PANELS.flatMap(({ figure }, panel) => [
      ...runs.flatMap(({ name, points }, run) => {
        const recorded = points.flatMap((point): [number, number][] => {
          const value = point[figure];
          return value === undefined ? [] : [[point.step, value]];
        });
        const color = LINES[run % LINES.length]!;
        if (figure !== 'loss' || recorded.length <= 200) return [line(name, panel, recorded, color)];
        // The first line of a name gives the legend its look.
        return [
          line(name, panel, movingAverage(recorded), color),
          { ...line(name, panel, recorded, color), z: 1, lineStyle: { color, width: 1, opacity: 0.25 } },
        ];
      }),
      ...references.flatMap((reference, i) => {
        const level = figure === 'loss' ? undefined : reference[figure];
        if (level === undefined) return [];
        const data: [number, number][] = [
          [0, level],
          [lastStep, level],
        ];
        const type = [...REFERENCE_DASHES[i % REFERENCE_DASHES.length]!];
        return [{ ...line(reference.name, panel, data, INK_SOFT), lineStyle: { color: INK_SOFT, width: 1.25, type } }];
      }),
    ]),
  };
}

function line(name: string, panel: number, data: [number, number][], color: string): LineSeriesOption {
  return {
    type: 'line',
    name,
    xAxisIndex: panel,
    yAxisIndex: panel,
    data,
    color,
    lineStyle: { color, width: 1.75 },
    // A single point makes no line.
    symbol: data.length === 1 ? 'circle' : 'none',
  };
}

/** Each value averaged with its neighbours, over 1% of all points. */
function movingAverage(points: readonly [number, number][]): [number, number][] {
  const reach = Math.round(points.length / 200);
  return points.map(([step], i) => {
    const near = points.slice(Math.max(0, i - reach), i + reach + 1);
    return [step, near.reduce((sum, [, value]) => sum + value, 0) / near.length];
  });
}
