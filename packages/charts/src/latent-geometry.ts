/** The geometry of a prototype router: how prototypes spread over directions, and how many directions latents use. */
import type { EChartsOption } from 'echarts';
import { layerName, layerStyle, namedLayers } from './layers.ts';
import { type Line, type LineFigure, lineFigureOption, lineFigureSize } from './lines.ts';
import { REFERENCE_DASHES } from './looks.ts';
import { type ThemeName, themeOf } from './palette.ts';
import type { Size } from './parts.ts';

export interface LatentGeometryInput {
  /** One line per panel each. */
  readonly layers: readonly {
    readonly layer: number;
    /** Cosines of all pairs of different prototypes. */
    readonly cosines: ArrayLike<number>;
    /** Of the covariance of the latents, the largest first. */
    readonly eigenvalues: ArrayLike<number>;
  }[];
  /** The Welch bound: the root mean square that the cosines cannot fall below. */
  readonly welchFloor?: number;
  /** CSS pixels. Default 900. */
  readonly width?: number;
}

const BINS = 40;
const FLOOR = 'Welch bound';
const EVEN = 'all directions alike';

export function latentGeometrySize(input: LatentGeometryInput): Size {
  return lineFigureSize(figureOf(input, 'light'));
}

/**
 * ECharts option of two panels: the distribution of the cosines between prototypes beside the Welch bound, and the
 * share of the latents' variance that the first components hold together.
 *
 * @throws RangeError for no layer, or one without prototypes to compare or eigenvalues.
 */
export function latentGeometry(input: LatentGeometryInput, theme: ThemeName = 'light'): EChartsOption {
  return lineFigureOption(figureOf(input, theme), theme);
}

function figureOf({ layers, welchFloor = 0, width = 900 }: LatentGeometryInput, theme: ThemeName): LineFigure {
  if (layers.length === 0) throw new RangeError('latent geometry needs at least one layer, got none');
  for (const { layer, cosines, eigenvalues } of layers) {
    if (cosines.length === 0 || eigenvalues.length === 0) {
      throw new RangeError(
        `layer ${layer} has ${cosines.length} cosines and ${eigenvalues.length} eigenvalues; it needs both`,
      );
    }
  }
  const style = (at: number) => ({ name: layerName(layers[at]!.layer), ...layerStyle(at, layers.length, theme) });
  const { inkSoft } = themeOf(theme);
  const spread = layers.map(({ cosines }, at): Line => ({ ...style(at), points: histogram(cosines) }));
  const most = spread.reduce((top, { points }) => points.reduce((high, [, share]) => Math.max(high, share), top), 0);
  const dimensions = layers.reduce((count, { eigenvalues }) => Math.max(count, eigenvalues.length), 0);
  const reference = (name: string, index: number, points: Line['points']): Line => ({
    name,
    points,
    colour: inkSoft,
    width: 1.25,
    dash: REFERENCE_DASHES[index]!,
  });
  return {
    panels: [
      {
        title: 'Prototypes',
        subtitles: ['cosines of all pairs, share of the pairs in each bin'],
        x: { name: 'Cosine', min: -1, max: 1 },
        y: { name: 'Share of pairs', min: 0 },
        lines: [
          ...spread,
          ...(welchFloor > 0 ? [-welchFloor, welchFloor] : []).map((at) =>
            reference(FLOOR, 0, [
              [at, 0],
              [at, most],
            ]),
          ),
        ],
      },
      {
        title: 'Latents',
        subtitles: ['share of the variance in the first components'],
        x: { name: 'Components', min: 0, max: dimensions, whole: true },
        y: { name: 'Share of variance', min: 0, max: 1, interval: 0.2 },
        lines: [
          ...layers.map(({ eigenvalues }, at): Line => ({ ...style(at), points: cumulated(eigenvalues) })),
          reference(EVEN, 1, [
            [0, 0],
            [dimensions, 1],
          ]),
        ],
      },
    ],
    perRow: 2,
    width,
    plotHeight: 240,
    legend: [
      ...namedLayers(layers.length).map((at) => layerName(layers[at]!.layer)),
      ...(welchFloor > 0 ? [FLOOR] : []),
      EVEN,
    ],
  };
}

/** Share of the cosines in each bin from -1 to 1, at its middle. */
function histogram(cosines: ArrayLike<number>): [number, number][] {
  const counts = new Float64Array(BINS);
  for (let i = 0; i < cosines.length; i++) {
    counts[Math.min(BINS - 1, Math.max(0, Math.floor(((cosines[i]! + 1) / 2) * BINS)))]!++;
  }
  return Array.from(counts, (count, bin) => [((bin + 0.5) / BINS) * 2 - 1, count / cosines.length]);
}

/** Share of the sum that the first 0, 1, 2, ... eigenvalues are; rounding may have made the last ones negative. */
function cumulated(eigenvalues: ArrayLike<number>): [number, number][] {
  const values = Array.from(eigenvalues, (value) => Math.max(0, value));
  const total = values.reduce((sum, value) => sum + value, 0);
  let below = 0;
  return [
    [0, 0],
    ...values.map((value, i): [number, number] => {
      below += value;
      return [i + 1, total === 0 ? (i + 1) / values.length : below / total];
    }),
  ];
}
