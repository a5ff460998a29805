/** Experts x steps of single layers: when an expert starves, and whether it comes back. */
import { checkCounts, type Counts } from '@lpr/metrics';
import type { EChartsOption } from 'echarts';
import { relativeLoads } from './heatmap.ts';
import { type MatrixFigure, type MatrixPanel, matrixOption, matrixSize } from './matrix.ts';
import { LAYERS_BY_EXPERTS, type MatrixStyle } from './matrix-layout.ts';
import type { ThemeName } from './palette.ts';
import type { Size } from './parts.ts';

export interface LoadHistoryInput {
  /** One panel each. */
  readonly panels: readonly {
    /** Such as the run and the layer. */
    readonly name: string;
    /** Steps ascending; `counts` has one load per expert, of the window that ends at the step. */
    readonly windows: readonly { readonly step: number; readonly counts: Counts }[];
  }[];
  /** Most CSS pixels that the figure is wide. Default 1200. */
  readonly maxWidth?: number;
  /** Relative load at which the colour scale ends; above 1. Default 2. */
  readonly clip?: number;
}

/** So many columns at most: windows are added up where there are more. */
const MAX_COLUMNS = 120;

const STYLE: MatrixStyle = {
  ...LAYERS_BY_EXPERTS,
  ownLabels: true,
  rowAxis: 50,
  columnLabel: 56,
  // A run of few windows has wide cells.
  maxCell: 90,
  comfortable: 2,
  panelHeight: { target: 256, minCell: 0.5, maxCell: 24 },
};

export function loadHistorySize(input: LoadHistoryInput): Size {
  return matrixSize(figureOf(input));
}

/**
 * ECharts option of experts (rows) x steps (columns), load over the uniform share of the window, one panel per layer.
 *
 * @throws RangeError for no panel, a panel without windows, loads that are no finite numbers >= 0, or a clip of at most
 *   1.
 */
export function loadHistory(input: LoadHistoryInput, theme: ThemeName = 'light'): EChartsOption {
  return matrixOption(figureOf(input), theme);
}

function figureOf({ panels, maxWidth = 1200, clip = 2 }: LoadHistoryInput): MatrixFigure {
  if (panels.length === 0) throw new RangeError('a history of loads needs at least one panel, got none');
  if (!(clip > 1)) throw new RangeError(`clip is ${clip}; the scale must end above the uniform share, 1`);
  return {
    panels: panels.map(panelOf),
    rowName: 'Expert',
    columnName: 'Step',
    scale: { kind: 'relative', share: 'uniform', clip, name: 'Load / uniform share', zero: 'dead (no token)' },
    style: { ...STYLE, maxWidth },
  };
}

function panelOf({ name, windows }: LoadHistoryInput['panels'][number]): MatrixPanel {
  const experts = windows[0]?.counts.length ?? 0;
  if (windows.length === 0) throw new RangeError(`"${name}" has no windows to draw`);
  for (const { step, counts } of windows) {
    checkCounts(counts, `counts of "${name}" at step ${step}`);
    if (counts.length !== experts) {
      throw new RangeError(`"${name}" has ${counts.length} experts at step ${step}, but ${experts} before`);
    }
  }
  const perColumn = Math.ceil(windows.length / MAX_COLUMNS);
  const columns = Array.from({ length: Math.ceil(windows.length / perColumn) }, (_, column) => {
    const group = windows.slice(column * perColumn, (column + 1) * perColumn);
    const sums = Array.from({ length: experts }, (_, expert) =>
      group.reduce((sum, { counts }) => sum + counts[expert]!, 0),
    );
    return { step: group.at(-1)!.step, loads: relativeLoads(sums) };
  });
  return {
    title: name,
    subtitles: [perColumn === 1 ? 'each column is a window of steps' : `each column is ${perColumn} windows of steps`],
    rows: Array.from({ length: experts }, (_, expert) => String(expert)),
    columns: columns.map(({ step }) => step.toLocaleString('en')),
    values: Array.from({ length: experts }, (_, expert) => columns.map(({ loads }) => loads[expert]!)),
    describe: (expert, column) => `expert ${expert}, until step ${columns[column]!.step}`,
  };
}
