/** One expert of one layer over the steps, beside the uniform share and the layer's busiest and idlest experts. */
import { type Counts, checkCounts } from '@lpr/metrics';
import type { EChartsOption } from 'echarts';
import { type LineView, viewed } from './line-view.ts';
import { type Line, type LineFigure, lineFigureOption, lineFigureSize } from './lines.ts';
import { lineColour, type ThemeName, themeOf } from './palette.ts';
import type { Size } from './parts.ts';

export interface ExpertLoadInput {
  readonly layer: number;
  readonly expert: number;
  /** Steps ascending; `counts` has one load per expert of the layer, of the window that ends at the step. */
  readonly windows: readonly { readonly step: number; readonly counts: Counts }[];
  /** CSS pixels. Default 900. */
  readonly width?: number;
  /** How it is looked at. */
  readonly view?: LineView;
}

export function expertLoadSize(input: ExpertLoadInput): Size {
  return lineFigureSize(figureOf(input, 'light'));
}

/**
 * ECharts option of the expert's load over the uniform share of its window, and the largest and smallest such of the
 * layer.
 *
 * @throws RangeError for no window, an expert that is not there, or loads that are no finite numbers >= 0.
 */
export function expertLoad(input: ExpertLoadInput, theme: ThemeName = 'light'): EChartsOption {
  return lineFigureOption(figureOf(input, theme), theme);
}

function figureOf({ layer, expert, windows, width = 900, view = {} }: ExpertLoadInput, theme: ThemeName): LineFigure {
  const experts = windows[0]?.counts.length ?? 0;
  if (windows.length === 0) throw new RangeError('the load of an expert needs at least one window, got none');
  if (!(Number.isInteger(expert) && expert >= 0 && expert < experts)) {
    throw new RangeError(`expert is ${expert}; the layer has experts 0 to ${experts - 1}`);
  }
  const { inkSoft } = themeOf(theme);
  const relative = windows.map(({ step, counts }) => {
    checkCounts(counts, `counts of step ${step}`);
    const loads = Array.from(counts);
    const share = loads.reduce((sum, load) => sum + load, 0) / loads.length;
    const of = (load: number): number => (share === 0 ? 0 : load / share);
    return { step, own: of(loads[expert]!), most: of(Math.max(...loads)), least: of(Math.min(...loads)) };
  });
  const line = (name: string, of: (window: (typeof relative)[number]) => number): Pick<Line, 'name' | 'points'> => ({
    name,
    points: relative.map((window) => [window.step, of(window)]),
  });
  const lines: Line[] = [
    { ...line(`expert ${expert}`, ({ own }) => own), colour: lineColour(0, themeOf(theme)) },
    { ...line('busiest expert', ({ most }) => most), colour: inkSoft, width: 1.25, dash: [2, 3] },
    { ...line('idlest expert', ({ least }) => least), colour: inkSoft, width: 1.25, dash: [7, 4] },
  ];
  const figure: LineFigure = {
    panels: [
      {
        title: `Layer ${layer}, expert ${expert}`,
        subtitles: ['load over the uniform share; 1 is an even load', '1 is an even load'],
        x: { name: 'Step', min: 0, max: windows.at(-1)!.step, whole: true },
        y: { name: 'Load over the uniform share', min: 0 },
        lines,
      },
    ],
    perRow: 1,
    width,
    plotHeight: 200,
    legend: lines.map(({ name }) => name),
  };
  return viewed(figure, view);
}
