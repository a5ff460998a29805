/**
 * Matrices as coloured cells with labelled axes, titles and one colour bar: what all figures of experts by something
 * share.
 */
import type { Counts } from '@lpr/metrics';
import type { CustomSeriesOption, CustomSeriesRenderItem, EChartsOption } from 'echarts';
import {
  LEGEND_WIDTH,
  layoutMatrices,
  type MatrixLayout,
  type MatrixPanelLayout,
  type MatrixStyle,
} from './matrix-layout.ts';
import { baseOption, figureText, type GraphicPart, type Part, panelTitle, type Size } from './parts.ts';
import { FONT, loadColour, mixColours, type ThemeName, themeOf } from './palette.ts';
import { escapeHtml, textWidth, truncate } from './text.ts';

export interface MatrixPanel {
  readonly title: string;
  /** Below the title: the first that there is room for. */
  readonly subtitles: readonly string[];
  /** Labels of rows and columns, as many as there are. */
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** `[rows][columns]`; NaN for a cell of which nothing is known. */
  readonly values: readonly Counts[];
  /** What a cell is called, for the tooltip. */
  readonly describe: (row: number, column: number) => string;
}

/** How values become colours. */
export type MatrixScale =
  /** Loads over a share that `share` names: neutral at 1, ends at `clip`; 0 is called what `zero` says. */
  | {
      readonly kind: 'relative';
      readonly clip: number;
      readonly name: string;
      readonly share: 'uniform' | 'expected';
      readonly zero: string;
    }
  /** Shares, from 0 to `max`; above it the strongest colour. In per cent unless they are plain numbers. */
  | { readonly kind: 'share'; readonly max: number; readonly name: string; readonly isPlain?: boolean };

export interface MatrixFigure {
  readonly panels: readonly MatrixPanel[];
  readonly rowName: string;
  readonly columnName: string;
  readonly scale: MatrixScale;
  readonly style: MatrixStyle;
}

export function matrixSize(figure: MatrixFigure): Size {
  const { width, height } = layout(figure);
  return { width, height };
}

export function matrixOption(figure: MatrixFigure, theme: ThemeName): EChartsOption {
  const { panels, scale } = figure;
  const placed = layout(figure);
  const { frame } = themeOf(theme);
  const paint = paintOf(scale, theme);
  const many = panels.reduce((sum, { rows, columns }) => sum + rows.length * columns.length, 0) > MANY_CELLS;
  return {
    ...baseOption(theme),
    title: panels.map(({ title, subtitles }, i) => {
      const { x, y, titleWidth } = placed.panels[i]!;
      return panelTitle(title, subtitles, { x: x - 1, y: y - 42, width: titleWidth }, theme);
    }),
    grid: placed.panels.map(({ x, y, width, height }) => ({ left: x, top: y, width, height, outerBoundsMode: 'none' })),
    xAxis: panels.map(({ columns }, i) => {
      const { columnStep, labelsColumns } = placed.panels[i]!;
      return {
        ...axis(columns, i, columnStep, labelsColumns, theme),
        name: labelsColumns ? figure.columnName : '',
        nameLocation: 'middle',
        nameGap: 24,
        position: 'bottom',
      };
    }),
    yAxis: panels.map(({ rows }, i) => {
      const { rowStep, labelsRows } = placed.panels[i]!;
      return {
        ...axis(
          rows.map((row) => truncate(row, figure.style.rowAxis - (figure.rowName === '' ? 10 : 28), 11)),
          i,
          rowStep,
          labelsRows,
          theme,
        ),
        name: labelsRows ? figure.rowName : '',
        nameLocation: 'middle',
        nameGap: figure.style.rowAxis - 18,
        inverse: true,
      };
    }),
    tooltip: {},
    series: panels.map((panel, i) => cells(panel, i, placed.panels[i]!, paint, many)),
    graphic: [
      ...placed.panels.map(
        ({ x, y, width, height, gapX, gapY }): GraphicPart => ({
          type: 'rect',
          silent: true,
          shape: { x: x - 1.5, y: y - 1.5, width: width - gapX + 3, height: height - gapY + 3 },
          style: { fill: 'none', stroke: frame, lineWidth: 1 },
        }),
      ),
      ...colourBar(placed, scale, isOpen(figure), theme),
    ],
  };
}

function layout({ panels, style }: MatrixFigure): MatrixLayout {
  return layoutMatrices(
    panels.map(({ rows, columns }) => ({ rows: rows.length, columns: columns.length })),
    style,
  );
}

function axis(
  data: readonly string[],
  gridIndex: number,
  step: number,
  labelled: boolean,
  theme: ThemeName,
): Part<'xAxis'> & Part<'yAxis'> & { type: 'category' } {
  const { ink, inkSoft } = themeOf(theme);
  return {
    type: 'category',
    gridIndex,
    data: [...data],
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { show: false },
    axisLabel: { show: labelled, interval: step - 1, fontFamily: FONT, fontSize: 11, color: inkSoft, margin: 7 },
    nameTextStyle: { fontFamily: FONT, fontSize: 12, color: ink },
  };
}

/**
 * With more cells than this in a figure, those of one colour are one shape: many times faster, but nothing to point at.
 */
const MANY_CELLS = 6000;

function cells(
  panel: MatrixPanel,
  index: number,
  place: MatrixPanelLayout,
  paint: Paint,
  many: boolean,
): CustomSeriesOption {
  return {
    type: 'custom',
    name: panel.title,
    xAxisIndex: index,
    yAxisIndex: index,
    encode: { x: 0, y: 1 },
    progressive: 0,
    ...(many ? shapesByColour(panel, place, paint) : singleCells(panel, place, paint)),
  };
}

/** The cell at a row and column, in CSS pixels of the figure. */
function cellShape({ rows, columns }: MatrixPanel, place: MatrixPanelLayout, row: number, column: number) {
  const width = place.width / columns.length;
  const height = place.height / rows.length;
  return {
    x: place.x + column * width,
    y: place.y + row * height,
    width: width - place.gapX,
    height: height - place.gapY,
  };
}

function singleCells(panel: MatrixPanel, place: MatrixPanelLayout, { colourOf, unit }: Paint): CustomSeriesOption {
  const renderItem: CustomSeriesRenderItem = (_, api) => {
    const [column, row, value] = [0, 1, 2].map((dimension) => Number(api.value(dimension)));
    return { type: 'rect', shape: cellShape(panel, place, row!, column!), style: { fill: colourOf(value!) } };
  };
  return {
    dimensions: ['column', 'row', 'value'],
    renderItem,
    data: panel.values.flatMap((row, y) => Array.from(row, (value, x) => [x, y, value])),
    tooltip: {
      formatter: ({ value }: { value?: unknown }) => {
        const [column, row, shown] = Array.isArray(value) ? value.map(Number) : [];
        const figure = Number.isNaN(shown) ? '–' : `${shown!.toFixed(3)}${unit}`;
        return `${escapeHtml(panel.title)}<br>${escapeHtml(panel.describe(row!, column!))}: ${figure}`;
      },
    },
  };
}

function shapesByColour(panel: MatrixPanel, place: MatrixPanelLayout, { colourOf }: Paint): CustomSeriesOption {
  const outlines = new Map<string, string[]>();
  for (const [row, values] of panel.values.entries()) {
    for (let column = 0; column < values.length; column++) {
      const colour = colourOf(values[column]!);
      const { x, y, width, height } = cellShape(panel, place, row, column);
      const outline = `M${x} ${y}h${width}v${height}h${-width}z`;
      const same = outlines.get(colour);
      if (same) same.push(outline);
      else outlines.set(colour, [outline]);
    }
  }
  const shapes = Array.from(outlines, ([fill, paths]) => ({ fill, pathData: paths.join('') }));
  return {
    silent: true,
    renderItem: ({ dataIndex }) => {
      const { fill, pathData } = shapes[dataIndex]!;
      return { type: 'path', shape: { pathData }, style: { fill } };
    },
    data: shapes.map(() => [0, 0]),
  };
}

/** What becomes of a value. */
interface Paint {
  readonly colourOf: (value: number) => string;
  /** Said after it in a tooltip. */
  readonly unit: string;
}

function paintOf(scale: MatrixScale, theme: ThemeName): Paint {
  const { frame, sequential } = themeOf(theme);
  const known = (colour: (value: number) => string) => (value: number) => (Number.isNaN(value) ? frame : colour(value));
  if (scale.kind === 'relative') {
    return { colourOf: known((value) => loadColour(value, scale.clip, theme)), unit: ` of the ${scale.share} share` };
  }
  return { colourOf: known((value) => mixColours(value / scale.max, sequential)), unit: '' };
}

/** Stops `[position from 0 to 1, colour]` of a bar that runs linearly from 0 to the end of the scale. */
function colourStops(scale: MatrixScale, theme: ThemeName): { offset: number; color: string }[] {
  const { diverging, sequential } = themeOf(theme);
  const steps = (scale.kind === 'relative' ? diverging : sequential).length - 1;
  return Array.from({ length: steps + 1 }, (_, i) => {
    if (scale.kind === 'share') return { offset: i / steps, color: mixColours(i / steps, sequential) };
    const relative = i <= steps / 2 ? i / (steps / 2) : 1 + ((i - steps / 2) / (steps / 2)) * (scale.clip - 1);
    // The lowest stop is the limit towards 0, not the colour of a dead expert.
    return {
      offset: relative / scale.clip,
      color: loadColour(Math.max(relative, Number.MIN_VALUE), scale.clip, theme),
    };
  });
}

function colourBar(
  { width, legendY }: MatrixLayout,
  scale: MatrixScale,
  open: boolean,
  theme: ThemeName,
): GraphicPart[] {
  const { ink, inkSoft, dead, frame } = themeOf(theme);
  // Where it is too wide, its name is a line of its own.
  const narrow = width < LEGEND_WIDTH;
  const barWidth = narrow ? 120 : 220;
  const barHeight = 10;
  const after = scale.kind === 'relative' ? 28 + barHeight + 7 + textWidth(scale.zero, 12) : 16;
  const before = narrow ? 16 : textWidth(scale.name, 12) + 12;
  const x = (width - barWidth + before - after) / 2;
  const y = legendY + (narrow ? 24 : 4);
  const end = scale.kind === 'relative' ? scale.clip : scale.max;
  const text = (value: number): string =>
    scale.kind === 'share' && scale.isPlain !== true ? percent(value) : String(value);
  const label = (share: number, called: string): GraphicPart =>
    figureText(called, x + share * barWidth, y + barHeight + 5, { size: 11, colour: inkSoft, align: 'center' });
  const note = (called: string, at: number, align: 'left' | 'right'): GraphicPart =>
    figureText(called, at, y + barHeight / 2, { size: 12, colour: ink, align, verticalAlign: 'middle' });
  const box = (left: number, boxWidth: number) => ({
    type: 'rect' as const,
    silent: true,
    shape: { x: left, y, width: boxWidth, height: barHeight },
  });
  return [
    narrow
      ? figureText(scale.name, width / 2, legendY, { size: 12, colour: ink, align: 'center' })
      : note(scale.name, x - 12, 'right'),
    {
      ...box(x, barWidth),
      style: {
        fill: { type: 'linear', x: 0, y: 0, x2: 1, y2: 0, colorStops: colourStops(scale, theme) },
        stroke: scale.kind === 'share' ? frame : 'none',
      },
    },
    ...ticks(scale).map((at) => label(at / end, text(at))),
    label(1, `${open ? '≥ ' : ''}${text(end)}`),
    ...(scale.kind === 'relative'
      ? [
          { ...box(x + barWidth + 28, barHeight), style: { fill: dead } } satisfies GraphicPart,
          note(scale.zero, x + barWidth + 28 + barHeight + 7, 'left'),
        ]
      : []),
  ];
}

/** Whether the scale stands for more than its end: loads have no upper end. */
function isOpen({ scale, panels }: MatrixFigure): boolean {
  if (scale.kind === 'relative') return true;
  return panels.some(({ values }) => values.some((row) => Array.from(row).some((value) => value > scale.max)));
}

/** Labelled values below the end of the scale. */
function ticks(scale: MatrixScale): number[] {
  if (scale.kind === 'share') return [0, scale.max / 2];
  const tick = scale.clip <= 3 ? 0.5 : Math.ceil(scale.clip / 6);
  return Array.from({ length: Math.ceil(scale.clip / tick) }, (_, i) => i * tick);
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))}%`;
}
