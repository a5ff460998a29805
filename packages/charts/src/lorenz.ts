/**
 * Lorenz curves: which share of the load the idlest experts carry, the picture of which the Gini coefficient is the
 * area.
 */
import { checkCounts, type Counts, layersReport } from '@lpr/metrics';
import type { EChartsOption } from 'echarts';
import { digits } from './heatmap.ts';
import { type Line, type LineFigure, lineFigureOption, lineFigureSize } from './lines.ts';
import { type Look, looksOf, lookStyle, MOST_COLOURS, namesOf, spreadOf } from './looks.ts';
import { type ThemeName, themeOf } from './palette.ts';
import type { Size } from './parts.ts';

export interface LorenzInput {
  /** One line each; names must differ. `counts` is `[layers][experts]`, loads >= 0. */
  readonly models: readonly (Look & {
    readonly name: string;
    readonly counts: readonly Counts[];
    /** Single seeds of the model, in place of `counts`: their mean, in a band from the lowest to the highest. */
    readonly seeds?: readonly { readonly name: string; readonly counts: readonly Counts[] }[];
  })[];
  /** CSS pixels. Default 640. */
  readonly width?: number;
}

export function lorenzSize(input: LorenzInput): Size {
  return lineFigureSize(figureOf(input, 'light'));
}

/**
 * ECharts option of the Lorenz curve of each model: the mean over its layers, whose Gini is the mean Gini, and the
 * layers' own curves pale behind it; of several seeds their mean, in the band that they fill.
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
    models.map((model) => ({ ...model, name: `${model.name} (Gini ${digits(giniOf(model))})` })),
    theme,
  );
  const lines = models.flatMap(({ name, counts, seeds = [] }, model): Line[] => {
    const style = lookStyle(looks[model]!);
    const curves = (seeds.length === 0 ? [counts] : seeds.map((seed) => seed.counts)).map((own) => curvesOf(own, name));
    const lineOf = (shares: readonly number[]): Line => ({ ...style, points: pointsOf(shares) });
    const line = lineOf(meanCurve(curves.map(meanCurve)));
    if (seeds.length > 0) {
      const spread = spreadOf(curves.map((layers) => pointsOf(meanCurve(layers))));
      return [looks[model]!.isGrey ? line : { ...line, spread }];
    }
    const [layers] = curves as [number[][]];
    // Of many models the layers would be a carpet.
    const isAlone = layers.length === 1 || models.length > MOST_COLOURS;
    return [line, ...(isAlone ? [] : layers.map((curve) => ({ ...lineOf(curve), faint: true })))];
  });
  const subtitles = [
    'mean over layers',
    ...(models.some(({ seeds }) => seeds !== undefined) ? ['bands over seeds'] : []),
    ...(models.length <= MOST_COLOURS && models.some(({ seeds }) => seeds === undefined) ? ['single layers pale'] : []),
  ];
  const even = 'perfect balance';
  return {
    panels: [
      {
        title: 'Lorenz curve of expert load',
        subtitles: [subtitles.join(', ')],
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

/** The mean over layers; over seeds too, which are equally long. */
function giniOf({ counts, seeds = [] }: LorenzInput['models'][number]): number {
  const all = seeds.length === 0 ? [counts] : seeds.map((seed) => seed.counts);
  return all.reduce((sum, own) => sum + layersReport(own).mean.gini, 0) / all.length;
}

function curvesOf(counts: readonly Counts[], name: string): number[][] {
  return counts.map((loads, layer) => {
    checkCounts(loads, `counts[${layer}] of model "${name}"`);
    return lorenzCurve(loads);
  });
}

function meanCurve(curves: readonly (readonly number[])[]): number[] {
  return curves[0]!.map((_, i) => curves.reduce((sum, curve) => sum + curve[i]!, 0) / curves.length);
}

function pointsOf(shares: readonly number[]): (readonly [number, number])[] {
  return shares.map((share, i) => [i / (shares.length - 1), share] as const);
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
