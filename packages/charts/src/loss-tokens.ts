/** Loss against the tokens trained on, each run in the colour of its imbalance: whether even loads learn better. */
import type { EChartsOption } from 'echarts';
import { REPEAT_DASHES } from './curves.ts';
import { LEGEND_FONT, LEGEND_NAME, type Line, type LineFigure, lineFigureOption, lineFigureSize } from './lines.ts';
import { mixColours, type ThemeName, themeOf } from './palette.ts';
import type { Size } from './parts.ts';
import { shortNames } from './text.ts';

export interface LossTokensInput {
  /** Of the panel: "Held-out loss". */
  readonly title: string;
  readonly runs: readonly {
    readonly name: string;
    /** Gini coefficient of its loads; null for a model without experts. */
    readonly gini: number | null;
    /** Tokens ascending, at least one point. */
    readonly points: readonly (readonly [tokens: number, loss: number])[];
  }[];
  /** CSS pixels. Default 760. */
  readonly width?: number;
}

/** Lines of more runs are thin. */
const MANY = 12;

export function lossTokensSize(input: LossTokensInput): Size {
  return lineFigureSize(figureOf(input, 'light'));
}

/**
 * ECharts option of loss over tokens, coloured from the least to the greatest Gini; the legend has that order. Lines of
 * one colour differ in their dashes.
 *
 * @throws RangeError where there is no run, or one has no point
 */
export function lossTokens(input: LossTokensInput, theme: ThemeName = 'light'): EChartsOption {
  return lineFigureOption(figureOf(input, theme), theme);
}

function figureOf({ title, runs, width = 760 }: LossTokensInput, theme: ThemeName): LineFigure {
  if (runs.length === 0) throw new RangeError('loss against tokens needs at least one run, got none');
  const empty = runs.find(({ points }) => points.length === 0);
  if (empty !== undefined) throw new RangeError(`run "${empty.name}" has no loss at any number of tokens`);
  const { depth, axis } = themeOf(theme);
  const most = runs.reduce((gini, run) => Math.max(gini, run.gini ?? 0), 0);
  const ordered = runs.toSorted((a, b) => (a.gini ?? Infinity) - (b.gini ?? Infinity));
  const endings = ordered.map(({ gini }) => (gini === null ? ' (no experts)' : ` (Gini ${gini.toFixed(3)})`));
  const names = shortNames(
    ordered.map(({ name }) => name),
    LEGEND_NAME,
    LEGEND_FONT,
  ).map((name, i) => `${name}${endings[i]}`);
  const lines = ordered.map(({ gini, points }, i): Line => {
    const dash = REPEAT_DASHES[i % REPEAT_DASHES.length];
    return {
      name: names[i]!,
      points,
      colour: gini === null ? axis : mixColours(most === 0 ? 0 : gini / most, depth),
      width: runs.length > MANY ? 1 : 1.75,
      ...(dash && { dash }),
    };
  });
  return {
    panels: [
      {
        title,
        subtitles: ['nats per token; the warmer the colour, the higher the Gini of the loads', 'nats per token'],
        x: { name: 'Tokens trained on', min: 0, max: Math.max(...lines.map(({ points }) => points.at(-1)![0])) },
        y: { free: true },
        lines,
      },
    ],
    perRow: 1,
    width,
    plotHeight: 340,
    legend: names,
  };
}
