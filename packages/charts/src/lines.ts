/** Panels of lines over one axis each, with one legend below: what all curves share. */
import type { EChartsOption, LineSeriesOption, TooltipComponentOption } from 'echarts';
import { baseOption, type Part, panelTitle, type Size } from './parts.ts';
import { FONT, type ThemeName, themeOf } from './palette.ts';
import { textWidth } from './text.ts';

export interface Line {
  /** As in the legend; lines of one name, in whatever panel, are one entry. */
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
  readonly colour: string;
  /** Lengths of dashes and gaps; a solid line where left out. */
  readonly dash?: readonly number[];
  /** CSS pixels. Default 1.75. */
  readonly width?: number;
  /** Behind all others, and pale. */
  readonly faint?: boolean;
  /** A range of values across the panel, filled and pale. */
  readonly band?: readonly [low: number, high: number];
}

export interface LinePanel {
  readonly title: string;
  readonly subtitles: readonly string[];
  readonly lines: readonly Line[];
  readonly x: { readonly name: string; readonly min: number; readonly max: number };
  readonly y: {
    readonly type?: 'value' | 'log';
    readonly min?: number;
    readonly max?: number;
    readonly interval?: number;
    /** Whether the axis may start elsewhere than at 0. */
    readonly free?: boolean;
    readonly format?: (value: number) => string;
  };
}

export interface LineFigure {
  readonly panels: readonly LinePanel[];
  /** Panels side by side where there is room, CSS pixels of the whole figure and of the height of a panel's axes. */
  readonly perRow: number;
  readonly width: number;
  readonly plotHeight: number;
  /** Entries of the legend, in order. */
  readonly legend: readonly string[];
}

const LEFT = 58;
const RIGHT = 24;
const GAP = 58;
const TOP = 58;
const AXIS_ROOM = 46;
const LEGEND_ROW = 12;
const ITEM_GAP = 20;
const ITEM_LINE = 26;

/** Names in a legend are cut to so many CSS pixels. */
export const LEGEND_NAME = 260;
export const LEGEND_FONT = 12;

/** A panel that is narrower than this moves to the next row. */
const MIN_PANEL = 170;

function panelsPerRow({ perRow, width }: LineFigure): number {
  return Math.max(1, Math.min(perRow, Math.floor((width - LEFT - RIGHT + GAP) / (MIN_PANEL + GAP))));
}

export function lineFigureSize(figure: LineFigure): Size {
  const rows = Math.ceil(figure.panels.length / panelsPerRow(figure));
  return {
    width: figure.width,
    height: rows * (TOP + figure.plotHeight + AXIS_ROOM) + legendHeight(figure.legend, figure.width),
  };
}

/** Legend icons of lines beside entries of other shapes, which would give a plain line a dot. */
export const LINE_ICON = 'path://M0,0h26v1.6h-26z';
/** In the order of `REFERENCE_DASHES`. */
export const DASH_ICONS = [
  'path://M0,0h2v1.6h-2zM4,0h2v1.6h-2zM8,0h2v1.6h-2zM12,0h2v1.6h-2zM16,0h2v1.6h-2zM20,0h2v1.6h-2zM24,0h2v1.6h-2z',
  'path://M0,0h6v1.6h-6zM10,0h6v1.6h-6zM20,0h6v1.6h-6z',
  'path://M0,0h8v1.6h-8zM11,0h2v1.6h-2zM16,0h8v1.6h-8z',
] as const;

/** Entries are placed as ECharts does, from left to right and then on the next row. */
export function legendHeight(names: readonly string[], width: number): number {
  if (names.length === 0) return 10;
  const room = width - 2 * ITEM_GAP;
  let rows = 1;
  let used = 0;
  for (const name of names) {
    // A little more than the text, as a page without the figures' font may need.
    const entry = ITEM_LINE + 5 + 1.05 * textWidth(name, LEGEND_FONT) + 4;
    if (used > 0 && used + entry > room) {
      rows++;
      used = 0;
    }
    used += entry + ITEM_GAP;
  }
  return 12 + rows * LEGEND_ROW + (rows - 1) * ITEM_GAP + 14;
}

/**
 * The legend at the foot of a figure of the given size. Each entry has a piece of its line, or the shape that `icon`
 * gives it.
 */
export function legendOf(
  names: readonly string[],
  { width, height }: Size,
  theme: ThemeName,
  icon?: (name: string) => string | undefined,
): NonNullable<EChartsOption['legend']> {
  const { ink, inkSoft } = themeOf(theme);
  return {
    left: 'center',
    top: height - legendHeight(names, width) + 8,
    width: width - 2 * ITEM_GAP,
    padding: 0,
    data: names.map((name) => {
      const shape = icon?.(name);
      return { name, ...(shape !== undefined && { icon: shape }) };
    }),
    itemWidth: names.every((name) => icon?.(name) === 'rect') ? 12 : ITEM_LINE,
    // Of no height, the dot that ECharts puts on a legend line vanishes.
    itemHeight: icon ? 10 : 0,
    itemGap: ITEM_GAP,
    textStyle: { fontFamily: FONT, fontSize: LEGEND_FONT, color: ink },
    inactiveColor: inkSoft,
  };
}

/** What a tooltip looks like. */
export function tooltipOf(trigger: 'axis' | 'item', theme: ThemeName): TooltipComponentOption {
  const { ink, background, frame } = themeOf(theme);
  const textStyle = { fontFamily: FONT, fontSize: 12, color: ink };
  return { trigger, backgroundColor: background, borderColor: frame, textStyle };
}

export function lineFigureOption(figure: LineFigure, theme: ThemeName): EChartsOption {
  const { panels, width, plotHeight, legend } = figure;
  const perRow = panelsPerRow(figure);
  const panelWidth = (width - LEFT - RIGHT - GAP * (perRow - 1)) / perRow;
  const placeOf = (panel: number): { x: number; y: number } => ({
    x: LEFT + (panel % perRow) * (panelWidth + GAP),
    y: Math.floor(panel / perRow) * (TOP + plotHeight + AXIS_ROOM),
  });
  return {
    ...baseOption(theme),
    tooltip: tooltipOf('axis', theme),
    ...(legend.length > 0 && { legend: legendOf(legend, lineFigureSize(figure), theme) }),
    title: panels.map(({ title, subtitles }, panel) => {
      const { x, y } = placeOf(panel);
      return panelTitle(title, subtitles, { x, y: y + 12, width: panelWidth + GAP / 2 }, theme);
    }),
    grid: panels.map((_, panel) => {
      const { x, y } = placeOf(panel);
      return { left: x, top: y + TOP, width: panelWidth, height: plotHeight, outerBoundsMode: 'none' };
    }),
    xAxis: panels.map(({ x }, panel) => xAxis(x, panel, theme)),
    yAxis: panels.map(({ y }, panel) => yAxis(y, panel, theme)),
    series: panels.flatMap(({ lines }, panel) => lines.map((line) => series(line, panel))),
  };
}

/**
 * A range of round numbers around all values, and the interval of its ticks.
 *
 * @param fromZero whether it starts at 0 where values reach near it.
 */
export function niceRange(
  values: readonly number[],
  fromZero: boolean,
): { min: number; max: number; interval: number } {
  const most = values.reduce((a, b) => Math.max(a, b));
  const least = values.reduce((a, b) => Math.min(a, b));
  const low = fromZero && least >= 0 && least < 0.4 * most ? 0 : least;
  const spread = most - low || Math.abs(most) || 1;
  const interval = roundStep(spread);
  const first = Math.floor(low / interval);
  const last = Math.max(first + 1, Math.ceil(most / interval));
  // Without the last digits, which multiplication gets wrong and a label would show.
  const [min, max] = [first, last].map((tick) => Number((tick * interval).toPrecision(12)));
  return { min: min!, max: max!, interval };
}

/** Distance between ticks, at most five of them: one, two or five times a power of ten. */
function roundStep(spread: number): number {
  const power = Number(`1e${Math.floor(Math.log10(spread / 5))}`);
  return power * [1, 2, 5, 10].find((factor) => factor * power >= (spread / 5) * (1 - 1e-9))!;
}

/** An axis of numbers below a panel. */
export function xAxis(
  { name, min, max, interval }: { name: string; min?: number; max?: number; interval?: number },
  gridIndex: number,
  theme: ThemeName,
): Part<'xAxis'> {
  const { ink, inkSoft, axis } = themeOf(theme);
  const step = interval ?? (min !== undefined && max !== undefined && max > min ? roundStep(max - min) : undefined);
  // The end of a range that is no multiple of the interval would be labelled beside the last tick.
  const round = step === undefined || Math.abs(max! / step - Math.round(max! / step)) < 1e-9;
  return {
    type: 'value',
    gridIndex,
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(step !== undefined && { interval: step }),
    name,
    nameLocation: 'middle',
    nameGap: 26,
    nameTextStyle: { fontFamily: FONT, fontSize: 12, color: ink },
    splitNumber: 4,
    splitLine: { show: false },
    axisLine: { lineStyle: { color: axis } },
    axisTick: { show: true, lineStyle: { color: axis } },
    axisLabel: {
      fontFamily: FONT,
      fontSize: 11,
      color: inkSoft,
      hideOverlap: true,
      ...(!round && { showMaxLabel: false }),
    },
  };
}

/** An axis of numbers to the left of a panel, with grid lines. */
export function yAxis(
  { type = 'value', min, max, interval, free = false, format }: LinePanel['y'],
  gridIndex: number,
  theme: ThemeName,
): Part<'yAxis'> {
  const { inkSoft, grid } = themeOf(theme);
  return {
    type,
    gridIndex,
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(interval !== undefined && { interval }),
    ...(type === 'value' && { scale: free }),
    splitNumber: 4,
    axisLine: { show: false },
    axisTick: { show: false },
    minorTick: { show: false },
    splitLine: { lineStyle: { color: grid } },
    axisLabel: {
      fontFamily: FONT,
      fontSize: 11,
      color: inkSoft,
      hideOverlap: true,
      ...(format !== undefined && { formatter: format }),
    },
  };
}

function series(
  { name, points, colour, dash, width = 1.75, faint = false, band }: Line,
  panel: number,
): LineSeriesOption {
  return {
    type: 'line',
    name,
    xAxisIndex: panel,
    yAxisIndex: panel,
    data: points.map(([x, y]) => [x, y]),
    color: colour,
    z: faint ? 1 : 2,
    lineStyle: {
      color: colour,
      width: faint ? 1 : width,
      ...(faint && { opacity: 0.25 }),
      ...(dash && { type: [...dash] }),
    },
    // A single point makes no line.
    symbol: points.length === 1 ? 'circle' : 'none',
    symbolSize: 6,
    ...(band && { markArea: bandOf('yAxis', band, colour) }),
  };
}

/** A pale area between two values of an axis. */
export function bandOf(
  axis: 'xAxis' | 'yAxis',
  [low, high]: readonly [number, number],
  colour: string,
): NonNullable<LineSeriesOption['markArea']> {
  return { silent: true, itemStyle: { color: colour, opacity: 0.12 }, data: [[{ [axis]: low }, { [axis]: high }]] };
}
