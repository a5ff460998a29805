/**
 * What happened in training besides loss and balance: saturation of the router, gradients by loss term, time by phase.
 */
import type { EChartsOption } from 'echarts';
import { layerName, layerStyle, namedLayers } from './layers.ts';
import { type LineView, viewed } from './line-view.ts';
import { type Line, type LineFigure, type LinePanel, lineFigureOption, lineFigureSize } from './lines.ts';
import { namesOf, REFERENCE_DASHES, referenceStyle, termStyle } from './looks.ts';
import type { ThemeName } from './palette.ts';
import type { Size } from './parts.ts';

export interface SaturationInput {
  /** One panel each. */
  readonly runs: readonly {
    readonly name: string;
    /** Steps ascending; `layers` has the saturation of each layer at that step, from 0 to 1. */
    readonly points: readonly {
      readonly step: number;
      readonly layers: ArrayLike<number>;
      /** What unrelated routings of the same loads would have, of each layer. */
      readonly chance: ArrayLike<number>;
    }[];
  }[];
  /** What is shared, from long to short. Default: that of saturation. */
  readonly subtitles?: readonly string[];
  /** CSS pixels. Default 560 per panel, three side by side at most. */
  readonly width?: number;
}

const SATURATION = ["share of a token's experts that are its last ones", 'share of final experts'];
const CHANCE = 'independent routings of the same loads';

export function saturationSize(input: SaturationInput): Size {
  return lineFigureSize(saturationFigure(input, 'light'));
}

/**
 * ECharts option of router saturation (Muennighoff et al. 2024, OLMoE, arXiv 2409.02060): the share of a token's
 * experts at a step that are its experts at the end of training, one line per layer, dotted what unrelated routings of
 * the same loads share; or of other pairs of routings of the same tokens, as the subtitles say.
 *
 * @throws RangeError for no run.
 */
export function routerSaturation(input: SaturationInput, theme: ThemeName = 'light'): EChartsOption {
  return lineFigureOption(saturationFigure(input, theme), theme);
}

function saturationFigure({ runs, subtitles = SATURATION, width }: SaturationInput, theme: ThemeName): LineFigure {
  if (runs.length === 0) throw new RangeError('router saturation needs at least one run, got none');
  const layers = runs.reduce((most, { points }) => Math.max(most, points[0]?.layers.length ?? 0), 0);
  const panels = runs.map(({ name, points }): LinePanel => {
    const last = points.at(-1)?.step ?? 0;
    const lines = Array.from(
      { length: points[0]?.layers.length ?? 0 },
      (_, layer): Line => ({
        name: layerName(layer),
        points: points.map((point) => [point.step, point.layers[layer]!]),
        ...layerStyle(layer, layers, theme),
      }),
    );
    return {
      title: name,
      subtitles,
      x: { name: 'Step', min: 0, max: last, whole: true },
      y: { name: 'Share of experts', min: 0, max: 1, interval: 0.2 },
      lines: [
        ...lines,
        ...lines.map((line, layer) => ({
          ...line,
          points: points.map((point) => [point.step, point.chance[layer]!] as const),
          ...{ width: 1, dash: REFERENCE_DASHES[0] },
        })),
        // For the legend alone, in no layer's colour.
        { name: CHANCE, points: [], ...referenceStyle(0, theme) },
      ],
    };
  });
  const perRow = Math.min(3, panels.length);
  return {
    panels,
    perRow,
    width: width ?? (perRow === 1 ? 640 : perRow * 420),
    plotHeight: 240,
    legend: [...namedLayers(layers).map(layerName), CHANCE],
  };
}

/** Parts of the model that gradients are measured at. */
export const GRADIENT_PARTS = ['router', 'prototypes', 'trunk'] as const;

export interface GradientsInput {
  /** One line per panel each: loss terms such as `task`, `loadBalancing`, `diversity`. */
  readonly terms: readonly {
    readonly name: string;
    /** Norms of the gradient of the weighted term; a part that the term does not reach has 0 or is left out. */
    readonly points: readonly ({ readonly step: number } & {
      readonly [part in (typeof GRADIENT_PARTS)[number]]?: number;
    })[];
  }[];
  /** CSS pixels. Default 1200. */
  readonly width?: number;
  /** How it is looked at. */
  readonly view?: LineView;
}

export function gradientsSize(input: GradientsInput): Size {
  return lineFigureSize(gradientsFigure(input, 'light'));
}

/**
 * ECharts option of gradient norms per loss term over steps on a logarithmic scale, a panel for each part of the model
 * that any term reaches.
 *
 * @throws RangeError where no term reaches any part, or two terms have one name.
 */
export function gradientNorms(input: GradientsInput, theme: ThemeName = 'light'): EChartsOption {
  return lineFigureOption(gradientsFigure(input, theme), theme);
}

const PART_TITLES = { router: 'Router', prototypes: 'Prototypes', trunk: 'Everything else' } as const;

function gradientsFigure({ terms, width = 1200, view = {} }: GradientsInput, theme: ThemeName): LineFigure {
  const names = namesOf(terms);
  const last = terms.reduce((step, { points }) => Math.max(step, points.at(-1)?.step ?? 0), 0);
  const panels = GRADIENT_PARTS.flatMap((part): LinePanel[] => {
    const lines = terms.flatMap(({ points }, term): Line[] => {
      // A logarithmic axis has no place for 0.
      const reached = points.flatMap((point): [number, number][] => {
        const norm = point[part] ?? 0;
        return norm > 0 && norm < Infinity ? [[point.step, norm]] : [];
      });
      return reached.length === 0 ? [] : [{ name: names[term]!, points: reached, ...termStyle(term, theme) }];
    });
    if (lines.length === 0) return [];
    const range = decades(lines);
    return [
      {
        title: PART_TITLES[part],
        subtitles: ['norm of the gradient of each weighted term', 'gradient norm'],
        x: { name: 'Step', min: 0, max: last, whole: true },
        y: {
          name: 'Gradient norm',
          type: 'log',
          ...range,
          format: range.min < 0.01 || range.max > 1000 ? powerOfTen : String,
        },
        lines,
      },
    ];
  });
  if (panels.length === 0) throw new RangeError('gradient norms need a term with a gradient above 0, got none');
  return viewed({ panels, perRow: panels.length, width, plotHeight: 200, legend: names }, view);
}

/** The powers of ten around all points. */
function decades(lines: readonly Line[]): { min: number; max: number } {
  const norms = lines.flatMap(({ points }) => points.map(([, norm]) => norm));
  const low = Math.floor(Math.log10(norms.reduce((a, b) => Math.min(a, b))));
  const high = Math.ceil(Math.log10(norms.reduce((a, b) => Math.max(a, b))));
  // `10 ** -4` is a little less than 0.0001, and an axis from there would have other ticks.
  return { min: Number(`1e${low}`), max: Number(`1e${Math.max(high, low + 1)}`) };
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

function powerOfTen(value: number): string {
  const exponent = Math.round(Math.log10(value));
  return `10${exponent < 0 ? '⁻' : ''}${Array.from(String(Math.abs(exponent)), (digit) => SUPERSCRIPTS[Number(digit)]).join('')}`;
}
