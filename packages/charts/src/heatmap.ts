/**
 * Figure 1 of the LPR paper (arXiv 2506.21328): the load of every expert of every layer, relative to its uniform share,
 * for one or several models.
 */
import { type BalanceMeasure, balanceMeasures, checkCounts, type Counts, layersReport } from '@lpr/metrics';
import type { EChartsOption } from 'echarts';
import { type MatrixFigure, type MatrixPanel, matrixOption, matrixSize } from './matrix.ts';
import { LAYERS_BY_EXPERTS } from './matrix-layout.ts';
import type { ThemeName } from './palette.ts';
import type { Size } from './parts.ts';

/** The expert loads of one model. */
export interface HeatmapModel {
  /** Title of the panel. */
  readonly name: string;
  /** `[layers][experts]`, exact counts or any loads >= 0; as many experts in each layer. */
  readonly counts: readonly Counts[];
  /** Whether the loads are means over seeds by their places from the busiest on, so that they are of no expert. */
  readonly isMean?: boolean;
}

export interface HeatmapInput {
  /** One panel each, in reading order; at least one. */
  readonly models: readonly HeatmapModel[];
  /** Experts as they are numbered, or in each layer from the busiest to the idlest. Default 'index'. */
  readonly order?: 'index' | 'load';
  /** Shown with each model, as far as there is room. Default: those of short tables. */
  readonly measures?: readonly BalanceMeasure[];
  /** Most CSS pixels that the figure is wide. Default 1200. Its size is `heatmapSize(input)`. */
  readonly maxWidth?: number;
  /** Panels side by side. Default: as many as leave cells and titles room. */
  readonly columns?: number;
  /** Relative load at which the colour scale ends; above 1. Default 2. */
  readonly clip?: number;
}

const SHORT = balanceMeasures.filter(({ tables }) => tables === 'short');

/** Width and height in CSS pixels that `loadHeatmap(input)` is drawn for. */
export function heatmapSize(input: HeatmapInput): Size {
  return matrixSize(figureOf(input));
}

/**
 * ECharts option of the heatmap: blue below the uniform share (1), red above, dead experts in the colour of text, each
 * panel with its measures of balance (mean over layers, and the worst layer where there is room).
 *
 * @throws RangeError for no model, no layer, layers of unequal length, loads that are no finite numbers >= 0, or a clip
 *   of at most 1.
 */
export function loadHeatmap(input: HeatmapInput, theme: ThemeName = 'light'): EChartsOption {
  return matrixOption(figureOf(input), theme);
}

function figureOf(input: HeatmapInput): MatrixFigure {
  const { models, order = 'index', measures = SHORT, maxWidth = 1200, columns, clip = 2 } = input;
  if (models.length === 0) throw new RangeError('a heatmap needs at least one model, got none');
  if (!(clip > 1)) throw new RangeError(`clip is ${clip}; the scale must end above the uniform share, 1`);
  if (columns !== undefined && !(Number.isInteger(columns) && columns >= 1)) {
    throw new RangeError(`columns is ${columns}; it must be an integer of at least 1`);
  }
  return {
    panels: models.map((model) => panelOf(model, order, measures)),
    rowName: 'Layer',
    columnName: order === 'load' ? 'Expert, from the busiest' : 'Expert',
    scale: { kind: 'relative', share: 'uniform', clip, name: 'Load / uniform share', zero: 'dead (no token)' },
    style: { ...LAYERS_BY_EXPERTS, maxWidth, panelsPerRow: columns },
  };
}

function panelOf(
  { name, counts, isMean = false }: HeatmapModel,
  order: 'index' | 'load',
  measures: readonly BalanceMeasure[],
): MatrixPanel {
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
  const loads = counts.map(relativeLoads);
  const orders = loads.map((layer) => {
    const experts = layer.map((_, expert) => expert);
    return order === 'load' ? experts.toSorted((a, b) => layer[b]! - layer[a]!) : experts;
  });
  return {
    title: name,
    subtitles: measuresOf(counts, measures),
    rows: counts.map((_, layer) => String(layer)),
    columns: Array.from({ length: experts }, (_, expert) => String(expert)),
    values: orders.map((experts, layer) => experts.map((expert) => loads[layer]![expert]!)),
    describe: (layer, column) =>
      isMean ? `layer ${layer}, number ${column + 1} by load` : `layer ${layer}, expert ${orders[layer]![column]}`,
  };
}

/** Loads over the uniform share; all 0 in a layer that no token reached. */
export function relativeLoads(loads: Counts): number[] {
  const values = Array.from(loads);
  const total = values.reduce((sum, load) => sum + load, 0);
  return values.map((load) => (total === 0 ? 0 : load / (total / values.length)));
}

/** Measures, and dead experts, from long to short, for the room that there is. */
function measuresOf(counts: readonly Counts[], shown: readonly BalanceMeasure[]): string[] {
  const { layers, mean, worst } = layersReport(counts);
  const dead = layers.reduce((sum, layer) => sum + layer.deadExperts, 0);
  const text = (worstName: string | undefined, most: number): string => {
    const measures = shown.slice(0, most).map(({ key, title, decimals }) => {
      const extreme = worstName && layers.length > 1 ? ` (${worstName} ${digits(worst[key], decimals)})` : '';
      return `${title} ${digits(mean[key], decimals)}${extreme}`;
    });
    return [...measures, ...(dead > 0 ? [`${dead} of ${layers.length * counts[0]!.length} dead`] : [])].join('  ·  ');
  };
  const all = shown.length;
  // One measure alone says too little of balance.
  const fewer = Array.from({ length: Math.max(0, all - 2) }, (_, i) => text(undefined, all - 1 - i));
  return [text('worst layer', all), text('worst', all), text(undefined, all), ...fewer];
}

/** A measure with its decimals; a dash where no token was routed, so that there is none. */
export function digits(value: number, decimals: number = 3): string {
  return Number.isNaN(value) ? '–' : value.toFixed(decimals);
}
