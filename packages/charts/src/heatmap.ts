/**
 * Figure 1 of the LPR paper (arXiv 2506.21328): the load of every expert of every layer, relative to its uniform share, for
 * one or several models.
 */
import { checkCounts, type Counts, layersReport } from '@lpr/metrics';
import type { CustomSeriesOption, CustomSeriesRenderItem, EChartsOption } from 'echarts';
import { type HeatmapLayout, type HeatmapPanel, layoutHeatmap } from './heatmap-layout.ts';
import { DEAD, FONT, FRAME, INK, INK_SOFT, loadColour, loadColourStops } from './palette.ts';

/** The expert loads of one model. */
export interface HeatmapModel {
  /** Title of the panel. */
  readonly name: string;
  /** `[layers][experts]`, exact counts or any loads >= 0; as many experts in each layer. */
  readonly counts: readonly Counts[];
}

export interface HeatmapInput {
  /** One panel each, in reading order; at least one. */
  readonly models: readonly HeatmapModel[];
  /** Most CSS pixels that the figure is wide. Default 1200. Its size is `heatmapSize(input)`. */
  readonly maxWidth?: number;
  /** Panels side by side. Default: as many as leave cells and titles room. */
  readonly columns?: number;
  /** Relative load at which the colour scale ends; above 1. Default 2. */
  readonly clip?: number;
  /** One line below the colour bar, such as the reference levels of the figures. */
  readonly footnote?: string;
}

/** One of the components that an option holds a list of. */
type Part<Name extends 'title' | 'xAxis' | 'yAxis' | 'graphic'> = Extract<
  EChartsOption[Name],
  readonly unknown[]
>[number];

/** Width and height in CSS pixels that `loadHeatmap(input)` is drawn for. */
export function heatmapSize(input: HeatmapInput): { width: number; height: number } {
  const { width, height } = layout(input);
  return { width, height };
}

/**
 * ECharts option of the heatmap: blue below the uniform share (1), red above, dead experts nearly black, each panel with
 * its Gini and min-max (mean over layers, and the worst layer where there is room).
 *
 * @throws RangeError for no model, no layer, layers of unequal length, loads that are no finite numbers >= 0, or a clip of
 * at most 1.
 */
export function loadHeatmap(input: HeatmapInput): EChartsOption {
  const { models, clip = 2 } = input;
  if (!(clip > 1)) throw new RangeError(`clip is ${clip}; the scale must end above the uniform share, 1`);
  const figure = layout(input);
  return {
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: FONT, color: INK },
    title: models.map((model, i) => titleOf(model, figure.panels[i]!)),
    grid: figure.panels.map(({ x, y, width, height }) => ({ left: x, top: y, width, height, outerBoundsMode: 'none' })),
    xAxis: models.map((model, i) => expertAxis(model, i, figure.panels[i]!)),
    yAxis: models.map((model, i) => layerAxis(model, i, figure.panels[i]!)),
    tooltip: {},
    series: models.map((model, i) => cells(model, i, figure.panels[i]!, clip)),
    graphic: [...figure.panels.map(frame), ...colourBar(figure, clip), ...footnote(figure, input.footnote)],
  };
}

function layout({ models, maxWidth = 1200, columns, footnote }: HeatmapInput): HeatmapLayout {
  if (models.length === 0) throw new RangeError('a heatmap needs at least one model, got none');
  if (columns !== undefined && !(Number.isInteger(columns) && columns >= 1)) {
    throw new RangeError(`columns is ${columns}; it must be an integer of at least 1`);
  }
  const sizes = models.map(({ name, counts }) => {
    const experts = counts[0]?.length ?? 0;
    if (counts.length === 0) throw new RangeError(`model "${name}" has no layers to draw`);
    for (const [layer, loads] of counts.entries()) {
      checkCounts(loads, `counts[${layer}] of model "${name}"`);
      if (loads.length !== experts) {
        throw new RangeError(
          `model "${name}" has ${loads.length} experts in layer ${layer}, but ${experts} in layer 0; a heatmap needs equally many`,
        );
      }
    }
    return { layers: counts.length, experts };
  });
  return layoutHeatmap(sizes, maxWidth, columns, footnote !== undefined);
}

function titleOf(model: HeatmapModel, panel: HeatmapPanel): Part<'title'> {
  return {
    text: model.name,
    subtext: figuresOf(model.counts, panel.titleWidth >= 360),
    left: panel.x - 1,
    top: panel.y - 42,
    textAlign: 'left',
    textVerticalAlign: 'top',
    padding: 0,
    itemGap: 6,
    textStyle: {
      fontFamily: FONT,
      fontSize: 14,
      fontWeight: 600,
      color: INK,
      width: panel.titleWidth,
      overflow: 'truncate',
    },
    subtextStyle: { fontFamily: FONT, fontSize: 11.5, color: INK_SOFT, width: panel.titleWidth, overflow: 'truncate' },
  };
}

function figuresOf(counts: readonly Counts[], long: boolean): string {
  const { layers, mean, worst } = layersReport(counts);
  const figure = (name: string, average: number, extreme: number): string =>
    `${name} ${digits(average)}${long && layers.length > 1 ? ` (worst layer ${digits(extreme)})` : ''}`;
  const dead = layers.reduce((sum, layer) => sum + layer.deadExperts, 0);
  return [
    figure('Gini', mean.gini, worst.gini),
    figure('min-max', mean.minMax, worst.minMax),
    ...(dead > 0 ? [`${dead} of ${layers.length * counts[0]!.length} dead`] : []),
  ].join('  ·  ');
}

/** Three decimals; a dash where no token was routed, so that there is no such figure. */
function digits(value: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(3);
}

function expertAxis(model: HeatmapModel, gridIndex: number, panel: HeatmapPanel): Part<'xAxis'> {
  return {
    ...axis(model.counts[0]!.length, gridIndex, panel.expertStep, panel.labelsExperts),
    name: panel.labelsExperts ? 'Expert' : '',
    nameLocation: 'middle',
    nameGap: 24,
    position: 'bottom',
  };
}

function layerAxis(model: HeatmapModel, gridIndex: number, panel: HeatmapPanel): Part<'yAxis'> {
  return {
    ...axis(model.counts.length, gridIndex, panel.layerStep, panel.labelsLayers),
    name: panel.labelsLayers ? 'Layer' : '',
    nameLocation: 'middle',
    nameGap: 28,
    inverse: true,
  };
}

function axis(length: number, gridIndex: number, step: number, labelled: boolean) {
  return {
    type: 'category' as const,
    gridIndex,
    data: Array.from({ length }, (_, i) => String(i)),
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: { show: labelled, interval: step - 1, fontFamily: FONT, fontSize: 11, color: INK_SOFT, margin: 7 },
    nameTextStyle: { fontFamily: FONT, fontSize: 12, color: INK },
  };
}

function cells(model: HeatmapModel, index: number, panel: HeatmapPanel, clip: number): CustomSeriesOption {
  return {
    type: 'custom',
    name: model.name,
    xAxisIndex: index,
    yAxisIndex: index,
    dimensions: ['expert', 'layer', 'relativeLoad'],
    encode: { x: 0, y: 1 },
    itemPayload: {
      cellWidth: panel.width / model.counts[0]!.length,
      cellHeight: panel.height / model.counts.length,
      gapX: panel.gapX,
      gapY: panel.gapY,
      clip,
    },
    progressive: 0,
    renderItem: renderCell,
    data: model.counts.flatMap((loads, layer) =>
      relativeLoads(loads).map((relativeLoad, expert) => [expert, layer, relativeLoad]),
    ),
    tooltip: { formatter: describeCell },
  };
}

/** Loads over the uniform share; all 0 in a layer that no token reached. */
function relativeLoads(loads: Counts): number[] {
  const values = Array.from(loads);
  const total = values.reduce((sum, load) => sum + load, 0);
  return values.map((load) => (total === 0 ? 0 : load / (total / values.length)));
}

const renderCell: CustomSeriesRenderItem = ({ itemPayload }, api) => {
  const [cellWidth, cellHeight, gapX, gapY, clip] = ['cellWidth', 'cellHeight', 'gapX', 'gapY', 'clip'].map((name) =>
    Number(itemPayload[name]),
  );
  const [x, y] = api.coord([api.value(0), api.value(1)]);
  return {
    type: 'rect',
    shape: { x: x! - cellWidth! / 2, y: y! - cellHeight! / 2, width: cellWidth! - gapX!, height: cellHeight! - gapY! },
    style: { fill: loadColour(Number(api.value(2)), clip!) },
  };
};

function describeCell({ seriesName, value }: { seriesName?: string; value?: unknown }): string {
  const [expert, layer, relativeLoad] = Array.isArray(value) ? value.map(Number) : [];
  return `${seriesName}<br>layer ${layer}, expert ${expert}: ${relativeLoad?.toFixed(3)} of the uniform share`;
}

function frame({ x, y, width, height, gapX, gapY }: HeatmapPanel): Part<'graphic'> {
  return {
    type: 'rect',
    silent: true,
    shape: { x: x - 1.5, y: y - 1.5, width: width - gapX + 3, height: height - gapY + 3 },
    style: { fill: 'none', stroke: FRAME, lineWidth: 1 },
  };
}

function colourBar({ width, legendY }: HeatmapLayout, clip: number): Part<'graphic'>[] {
  const barWidth = 220;
  const barHeight = 10;
  const x = (width - barWidth) / 2 + 16;
  const y = legendY + 4;
  const tick = clip <= 3 ? 0.5 : Math.ceil(clip / 6);
  const ticks = Array.from({ length: Math.floor(clip / tick) }, (_, i) => i * tick);
  const label = (at: number, text: string): Part<'graphic'> => ({
    type: 'text',
    silent: true,
    x: x + (at / clip) * barWidth,
    y: y + barHeight + 5,
    style: { text, font: `11px ${FONT}`, fill: INK_SOFT, align: 'center' },
  });
  const note = (at: number, text: string, align: 'left' | 'right'): Part<'graphic'> => ({
    type: 'text',
    silent: true,
    x: at,
    y: y + barHeight / 2,
    style: { text, font: `12px ${FONT}`, fill: INK, align, verticalAlign: 'middle' },
  });
  const box = (left: number, boxWidth: number) => ({
    type: 'rect' as const,
    silent: true,
    shape: { x: left, y, width: boxWidth, height: barHeight },
  });
  return [
    note(x - 12, 'Load / uniform share', 'right'),
    {
      ...box(x, barWidth),
      style: { fill: { type: 'linear', x: 0, y: 0, x2: 1, y2: 0, colorStops: loadColourStops(clip) } },
    },
    ...ticks.map((at) => label(at, String(at))),
    label(clip, `≥ ${clip}`),
    { ...box(x + barWidth + 28, barHeight), style: { fill: DEAD } },
    note(x + barWidth + 28 + barHeight + 7, 'dead (no token)', 'left'),
  ];
}

function footnote({ width, height }: HeatmapLayout, text: string | undefined): Part<'graphic'>[] {
  if (text === undefined) return [];
  return [
    {
      type: 'text',
      silent: true,
      x: width / 2,
      y: height - 12,
      style: { text, font: `11px ${FONT}`, fill: INK_SOFT, align: 'center', verticalAlign: 'bottom' },
    },
  ];
}
