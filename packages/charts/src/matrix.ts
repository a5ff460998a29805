/**
 * Matrices as coloured cells with labelled axes, titles and one colour bar: what all figures of experts by something
 * share.
 */
import type { Counts } from '@lpr/metrics';
import type { CustomSeriesOption, CustomSeriesRenderItem, EChartsOption } from 'echarts';
import { colourBar } from './colour-bar.ts';
import { layoutMatrices, type MatrixLayout, type MatrixPanelLayout, type MatrixStyle } from './matrix-layout.ts';
import { baseOption, type GraphicPart, type Part, panelTitle, type Size } from './parts.ts';
import { FONT, loadColour, mixColours, type ThemeName, themeOf } from './palette.ts';
import { escapeHtml, truncate } from './text.ts';

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
  /** Cells with a frame of their own. */
  readonly framed?: readonly (readonly [row: number, column: number])[];
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
  const { frame, ink } = themeOf(theme);
  const paint = paintOf(scale, theme);
  const many = panels.reduce((sum, { rows, columns }) => sum + rows.length * columns.length, 0) > MANY_CELLS;
  const option: EChartsOption = {
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
      ...panels.flatMap((panel, i) =>
        (panel.framed ?? []).map(([row, column]): GraphicPart => {
          const { x, y, width, height } = cellShape(panel, placed.panels[i]!, row, column);
          return {
            type: 'rect',
            silent: true,
            // Above the cells.
            z: 3,
            shape: { x: x - 1, y: y - 1, width: width + 2, height: height + 2 },
            style: { fill: 'none', stroke: ink, lineWidth: 2 },
          };
        }),
      ),
      ...colourBar(placed, scale, isOpen(figure), theme),
    ],
  };
  if (many) finders.set(option, (x, y) => cellAt(panels, placed, paint.unit, x, y));
  return option;
}

/** A cell of a figure, as `onPick` and tooltips name it. */
export interface FoundCell {
  readonly panel: number;
  readonly column: number;
  readonly row: number;
  /** What a tooltip says, a line each. */
  readonly lines: readonly string[];
}

/** Of options with so many cells that these are no shapes of their own, and so have no tooltips of the chart's. */
const finders = new WeakMap<EChartsOption, (x: number, y: number) => FoundCell | undefined>();

/**
 * Finds the cell at a place in CSS pixels of a figure whose cells are too many to be pointed at one by one; undefined
 * for an option that has tooltips of its own.
 */
export function cellFinder(option: EChartsOption): ((x: number, y: number) => FoundCell | undefined) | undefined {
  return finders.get(option);
}

function cellAt(
  panels: readonly MatrixPanel[],
  placed: MatrixLayout,
  unit: string,
  x: number,
  y: number,
): FoundCell | undefined {
  for (const [panel, content] of panels.entries()) {
    const place = placed.panels[panel]!;
    const [across, down] = [(x - place.x) / place.width, (y - place.y) / place.height];
    if (!(across >= 0 && across < 1 && down >= 0 && down < 1)) continue;
    const [column, row] = [Math.floor(across * content.columns.length), Math.floor(down * content.rows.length)];
    return { panel, column, row, lines: cellLines(content, row, column, content.values[row]![column]!, unit) };
  }
  return undefined;
}

function cellLines(panel: MatrixPanel, row: number, column: number, value: number, unit: string): string[] {
  return [panel.title, `${panel.describe(row, column)}: ${Number.isNaN(value) ? '–' : `${value.toFixed(3)}${unit}`}`];
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
 * With more cells than this in a figure, those of one colour are one shape: many times faster. `cellFinder` finds them.
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
        return cellLines(panel, row!, column!, shown!, unit).map(escapeHtml).join('<br>');
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

/** Whether the scale stands for more than its end: loads have no upper end. */
function isOpen({ scale, panels }: MatrixFigure): boolean {
  if (scale.kind === 'relative') return true;
  return panels.some(({ values }) => values.some((row) => Array.from(row).some((value) => value > scale.max)));
}
