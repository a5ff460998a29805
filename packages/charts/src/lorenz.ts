/**
 * Lorenz curves: which share of the load the idlest experts carry, the picture of which the Gini coefficient is the
 * area.
 */
import { checkCounts, type Counts, layersReport } from '@lpr/metrics';
import type { EChartsOption } from 'echarts';
import { digits } from './heatmap.ts';
import { type Line, type LineFigure, lineFigureOption, lineFigureSize } from './lines.ts';
import { type Look, looksOf, lookStyle, MOST_COLOURS, namesOf } from './looks.ts';
import { type ThemeName, themeOf } from './palette.ts';
import type { Size } from './parts.ts';

export interface LorenzInput {
  /** One line each; names must differ. `counts` is `[layers][experts]`, loads >= 0. */
  readonly models: readonly (Look & { readonly name: string; readonly counts: readonly Counts[] })[];
  /** CSS pixels. Default 640. */
  readonly width?: number;
}

export function lorenzSize(input: LorenzInput): Size {
  return lineFigureSize(figureOf(input, 'light'));
}

/**
 * ECharts option of the Lorenz curve of each model: the mean over its layers, whose Gini is the mean Gini, and the
 * layers' own curves pale behind it.
 *
 * @throws RangeError for no model, or loads that are no finite numbers >= 0.
 */
export function lorenzCurves(input: LorenzInput, theme: ThemeName = 'light'): EChartsOption {
  return lineFigureOption(figureOf(input, theme), theme);
}

function figureOf({ models, width = 640 }: LorenzInput, theme: ThemeName): LineFigure {
  if (models.length === 0) throw new RangeError('Lorenz curves need at least one model, got none');
  namesOf(models);
  const { looks, legend } = looksOf(
    models.map((model) => ({ ...model, name: `${model.name} (Gini ${digits(layersReport(model.counts).mean.gini)})` })),
    theme,
  );
  const lines = models.flatMap(({ name, counts }, model): Line[] => {
    const layers = counts.map((loads, layer) => {
      checkCounts(loads, `counts[${layer}] of model "${name}"`);
      return lorenzCurve(loads);
    });
    const experts = layers[0]!.length - 1;
    const mean = layers[0]!.map((_, i) => layers.reduce((sum, curve) => sum + curve[i]!, 0) / layers.length);
    const line = (shares: readonly number[]): Line => ({
      ...lookStyle(looks[model]!),
      points: shares.map((share, i) => [i / experts, share]),
    });
    // Of many models the layers would be a carpet.
    const isAlone = layers.length === 1 || models.length > MOST_COLOURS;
    return [line(mean), ...(isAlone ? [] : layers.map((curve) => ({ ...line(curve), faint: true })))];
  });
  const even = 'perfect balance';
  return {
    panels: [
      {
        title: 'Lorenz curve of expert load',
        subtitles: [models.length > MOST_COLOURS ? 'mean over layers' : 'mean over layers, single layers pale'],
        x: { name: 'Share of experts, from the idlest', min: 0, max: 1 },
        y: { name: 'Share of the load', min: 0, max: 1, interval: 0.2 },
        lines: [
          ...lines,
          {
            name: even,
            points: [
              [0, 0],
              [1, 1],
            ],
            colour: themeOf(theme).inkSoft,
            width: 1.25,
            dash: [2, 3],
          },
        ],
      },
    ],
    perRow: 1,
    width,
    // Square, within the margins of a panel.
    plotHeight: width - 92,
    legend: [...legend, even],
    endTogether: true,
  };
}

/** Shares of the load of the idlest 0, 1, ..., M experts, from 0 to 1; those of an even load where there is none. */
export function lorenzCurve(loads: Counts): number[] {
  const ascending = Float64Array.from(loads).toSorted();
  const total = ascending.reduce((sum, load) => sum + load, 0);
  let below = 0;
  return [
    0,
    ...Array.from(ascending, (load, i) => {
      below += load;
      return total === 0 ? (i + 1) / ascending.length : below / total;
    }),
  ];
}
