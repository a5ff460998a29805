/** Panels of lines over one axis each, with one legend below: what all curves share. */
import type { CustomSeriesOption, EChartsOption, LineSeriesOption } from 'echarts';
import { bandOf, niceRange, xAxis, yAxis } from './axes.ts';
import {
  endLabel,
  LABEL_MARGIN,
  labelsOf,
  labelWidth,
  MAX_LABEL,
  type PlacedLabel,
  placedLabels,
} from './line-labels.ts';
import { legendHeight, legendOf, tooltipOf } from './legend.ts';
import { baseOption, panelTitle, type Size } from './parts.ts';
import type { ThemeName } from './palette.ts';
import { escapeHtml, fourDigits } from './text.ts';

export interface Line {
  /** As in the legend; lines of one name, in whatever panel, are one entry. */
  readonly name: string;
  /** Its own name, where it is told from others: at its end, where there is room, and in tooltips. */
  readonly label?: string;
  readonly points: readonly (readonly [number, number])[];
  readonly colour: string;
  /** Lengths of dashes and gaps; a solid line where left out. */
  readonly dash?: readonly number[];
  /** CSS pixels. Default 1.75. */
  readonly width?: number;
  /** Behind all others, and pale. */
  readonly faint?: boolean;
  /** One of many, behind those that are told apart: without a name at its end. */
  readonly isGrey?: boolean;
  /** A range of values across the panel, filled and pale. */
  readonly band?: readonly [low: number, high: number];
  /** A range of values at each place, filled and pale, such as that of several seeds. */
  readonly spread?: readonly (readonly [x: number, low: number, high: number])[];
}

export interface LinePanel {
  readonly title: string;
  readonly subtitles: readonly string[];
  readonly lines: readonly Line[];
  readonly x: {
    /** With its unit. */
    readonly name: string;
    readonly min: number;
    readonly max: number;
    readonly type?: 'value' | 'log';
    /** Whether there is nothing between whole numbers, as with steps. */
    readonly whole?: boolean;
  };
  readonly y: {
    /** With its unit. */
    readonly name: string;
    readonly type?: 'value' | 'log';
    readonly min?: number;
    readonly max?: number;
    readonly interval?: number;
    /** Whether the axis may start elsewhere than at 0. */
    readonly free?: boolean;
    /** The greatest value that there can be: the axis does not go beyond it. */
    readonly bound?: number;
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
  /** Whether lines all end at one place, so that names there would say nothing. */
  readonly endTogether?: boolean;
}

const LEFT = 68;
const RIGHT = 24;
const GAP = 68;
const TOP = 58;
const AXIS_ROOM = 46;

/** A panel that is narrower than this moves to the next row. */
const MIN_PANEL = 170;
/** Lines are named at their ends where they keep so much width. */
const MIN_LABELLED_PANEL = 260;

interface Layout {
  readonly perRow: number;
  /** Of the axes of a panel, without the names beside it. */
  readonly panelWidth: number;
  /** Right of each panel, for names; 0 where there are none. */
  readonly labelRoom: number;
}

function layoutOf(figure: LineFigure): Layout {
  const room = (perRow: number): number => (figure.width - LEFT - RIGHT - GAP * (perRow - 1)) / perRow;
  const most = Math.max(
    1,
    Math.min(figure.perRow, Math.floor((figure.width - LEFT - RIGHT + GAP) / (MIN_PANEL + GAP))),
  );
  const labels = figure.endTogether ? [] : figure.panels.flatMap(({ lines }) => labelsOf(lines));
  const widest = Math.max(0, ...labels.map(labelWidth));
  if (widest > 0) {
    const labelRoom = Math.min(MAX_LABEL, widest) + LABEL_MARGIN - RIGHT / 2;
    // Panels fill whole rows: three where two fit are two rows, four are two rows of two.
    for (let perRow = most; perRow >= 1; perRow--) {
      if (room(perRow) - labelRoom >= MIN_LABELLED_PANEL) {
        return { perRow, panelWidth: room(perRow) - labelRoom, labelRoom };
      }
    }
  }
  return { perRow: most, panelWidth: room(most), labelRoom: 0 };
}

/** Of the axis upwards: round numbers around all lines, unless the panel says others. */
function rangeOf({ lines, y }: LinePanel): { min: number; max: number; interval?: number } {
  const { min, max, free = false, bound = Infinity, type } = y;
  if (type === 'log' && min !== undefined && max !== undefined) return { min, max };
  const values = lines.flatMap(({ points, band = [], spread = [] }) => [
    ...points.map(([, value]) => value),
    ...band,
    ...spread.flatMap(([, low, high]) => [low, high]),
  ]);
  const finite = values.filter(Number.isFinite);
  const nice = niceRange(finite.length === 0 ? [0, 1] : free ? finite : [0, ...finite], !free);
  return {
    min: min ?? nice.min,
    max: max ?? Math.min(nice.max, Math.max(bound, nice.min + nice.interval)),
    interval: y.interval ?? nice.interval,
  };
}

export function lineFigureSize(figure: LineFigure): Size {
  const rows = Math.ceil(figure.panels.length / layoutOf(figure).perRow);
  return {
    width: figure.width,
    height: rows * (TOP + figure.plotHeight + AXIS_ROOM) + legendHeight(figure.legend, figure.width),
  };
}

export function lineFigureOption(figure: LineFigure, theme: ThemeName): EChartsOption {
  const { panels, plotHeight, legend } = figure;
  const { perRow, panelWidth, labelRoom } = layoutOf(figure);
  const ranges = panels.map(rangeOf);
  const placeOf = (panel: number): { x: number; y: number } => ({
    x: LEFT + (panel % perRow) * (panelWidth + labelRoom + GAP),
    y: Math.floor(panel / perRow) * (TOP + plotHeight + AXIS_ROOM),
  });
  return {
    ...baseOption(theme),
    tooltip: { ...tooltipOf('axis', theme), formatter: (params: unknown) => tooltipText(panels, params) },
    ...(legend.length > 0 && { legend: legendOf(legend, lineFigureSize(figure), theme) }),
    title: panels.map(({ title, subtitles }, panel) => {
      const { x, y } = placeOf(panel);
      return panelTitle(title, subtitles, { x, y: y + 12, width: panelWidth + labelRoom + GAP / 2 }, theme);
    }),
    grid: panels.map((_, panel) => {
      const { x, y } = placeOf(panel);
      return { left: x, top: y + TOP, width: panelWidth, height: plotHeight, outerBoundsMode: 'none' };
    }),
    xAxis: panels.map(({ x }, panel) => xAxis(x, panel, theme)),
    yAxis: panels.map(({ y }, panel) => yAxis({ ...y, ...ranges[panel] }, panel, theme)),
    series: panels.flatMap(({ lines }, panel) => {
      const labels = labelRoom > 0 ? placedLabels(lines, { ...panels[panel]!.y, ...ranges[panel]! }, plotHeight) : [];
      return [
        ...lines.map((line, i) => series(line, `${panel}/${i}`, labels[i], theme)),
        ...lines.flatMap((line) => (line.spread ? [spreadSeries(line, line.spread, panel)] : [])),
      ];
    }),
  };
}

function series(
  { name, points, colour, dash, width = 1.75, faint = false, isGrey = false, band }: Line,
  id: string,
  label: PlacedLabel | undefined,
  theme: ThemeName,
): LineSeriesOption {
  const panel = Number.parseInt(id, 10);
  return {
    type: 'line',
    name,
    id,
    xAxisIndex: panel,
    yAxisIndex: panel,
    data: points.map(([x, y]) => [x, y]),
    color: colour,
    z: faint || isGrey ? 1 : 2,
    lineStyle: {
      color: colour,
      width: faint ? 1 : width,
      ...(faint && { opacity: 0.25 }),
      ...(dash && { type: [...dash] }),
    },
    // A single point makes no line.
    symbol: points.length === 1 ? 'circle' : 'none',
    symbolSize: 6,
    ...(label !== undefined && { endLabel: endLabel(label, colour, theme, points.length === 1) }),
    ...(band && { markArea: bandOf('yAxis', band, colour) }),
  };
}

/** One pale shape; the data are the corners, so that the axes reach around them. */
function spreadSeries(
  { name, colour }: Line,
  spread: readonly (readonly [number, number, number])[],
  panel: number,
): CustomSeriesOption {
  return {
    type: 'custom',
    name,
    xAxisIndex: panel,
    yAxisIndex: panel,
    data: spread.map((place) => [...place]),
    encode: { x: 0, y: [1, 2] },
    color: colour,
    silent: true,
    clip: true,
    tooltip: { show: false },
    z: 1,
    renderItem: ({ dataIndex }, api) => {
      if (dataIndex !== 0) return null;
      const points = [
        ...spread.map(([x, low]) => api.coord([x, low])),
        ...spread.toReversed().map(([x, , high]) => api.coord([x, high])),
      ];
      return { type: 'polygon', shape: { points }, style: { fill: colour, opacity: 0.18 } };
    },
  };
}

/** Rows of a tooltip; of more lines nobody reads them. */
const MOST_ROWS = 14;

/** Where it is, and what each line has there, the highest first. */
function tooltipText(panels: readonly LinePanel[], params: unknown): string {
  const pointed = (Array.isArray(params) ? params : [params]) as readonly {
    readonly seriesId?: string;
    readonly value?: unknown;
  }[];
  const rows = pointed.flatMap(({ seriesId = '', value }) => {
    const [panel, place] = seriesId.split('/').map(Number);
    const line = panels[panel ?? -1]?.lines[place ?? -1];
    if (line === undefined || !Array.isArray(value)) return [];
    const [x, y] = value.map(Number);
    return [{ panel: panels[panel!]!, text: escapeHtml(line.label ?? line.name), x: x!, y: y! }];
  });
  const [first] = rows;
  if (first === undefined) return '';
  const { name, whole = false } = first.panel.x;
  const shown = rows.toSorted((a, b) => b.y - a.y).slice(0, MOST_ROWS);
  return [
    `${escapeHtml(name)} ${whole ? Math.round(first.x).toLocaleString('en') : fourDigits(first.x)}`,
    ...shown.map(({ text, y }) => `${text}: ${fourDigits(y)}`),
    ...(rows.length > shown.length ? [`and ${rows.length - shown.length} more`] : []),
  ].join('<br>');
}
