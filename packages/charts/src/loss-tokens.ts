/** Loss against the tokens trained on, each run in the colour of its imbalance: whether even loads learn better. */
import type { EChartsOption } from 'echarts';
import { LEGEND_FONT, LEGEND_NAME } from './legend.ts';
import { type LineView, viewed } from './line-view.ts';
import { type Line, type LineFigure, lineFigureOption, lineFigureSize } from './lines.ts';
import { type Look, looksOf, MOST_COLOURS, REPEAT_DASHES, spreadOf } from './looks.ts';
import { mixColours, type ThemeName, themeOf } from './palette.ts';
import type { Size } from './parts.ts';
import { shortNames } from './text.ts';

export interface LossTokensInput {
  /** Of the panel: "Held-out loss". */
  readonly title: string;
  readonly runs: readonly (Look & {
    readonly name: string;
    /** Gini coefficient of its loads; null for a model without experts. */
    readonly gini: number | null;
    /** Tokens ascending, at least one point. */
    readonly points: readonly Point[];
    /** Single seeds, whose means the points are: a band from the lowest to the highest. */
    readonly seeds?: readonly (readonly Point[])[];
  })[];
  /** CSS pixels. Default 760. */
  readonly width?: number;
  /** How it is looked at. */
  readonly view?: LineView;
}

type Point = readonly [tokens: number, loss: number];

export function lossTokensSize(input: LossTokensInput): Size {
  return lineFigureSize(figureOf(input, 'light'));
}

/**
 * ECharts option of loss over tokens, coloured from the least to the greatest Gini; the legend has that order. Lines of
 * few runs differ in their dashes too; of many, those with a colour in other figures are named at their ends.
 *
 * @throws RangeError where there is no run, or one has no point
 */
export function lossTokens(input: LossTokensInput, theme: ThemeName = 'light'): EChartsOption {
  return lineFigureOption(figureOf(input, theme), theme);
}

function figureOf({ title, runs, width = 760, view = {} }: LossTokensInput, theme: ThemeName): LineFigure {
  if (runs.length === 0) throw new RangeError('loss against tokens needs at least one run, got none');
  const empty = runs.find(({ points }) => points.length === 0);
  if (empty !== undefined) throw new RangeError(`run "${empty.name}" has no loss at any number of tokens`);
  const { depth, axis } = themeOf(theme);
  const most = runs.reduce((gini, run) => Math.max(gini, run.gini ?? 0), 0);
  const ordered = runs.toSorted((a, b) => (a.gini ?? Infinity) - (b.gini ?? Infinity));
  const { looks } = looksOf(runs, theme);
  const endings = ordered.map(({ gini }) => (gini === null ? ' (no experts)' : ` (Gini ${gini.toFixed(3)})`));
  const names = shortNames(
    ordered.map(({ name }) => name),
    LEGEND_NAME,
    LEGEND_FONT,
  ).map((name, i) => `${name}${endings[i]}`);
  const isMany = runs.length > MOST_COLOURS;
  const lines = ordered.map((run, i): Line => {
    const { gini, points, seeds = [] } = run;
    const dash = isMany ? undefined : REPEAT_DASHES[i % REPEAT_DASHES.length];
    return {
      name: names[i]!,
      label: run.name,
      points,
      colour: gini === null ? axis : mixColours(most === 0 ? 0 : gini / most, depth),
      // The colour is the Gini's; of many, those that are told apart elsewhere are named here.
      ...(looks[runs.indexOf(run)]!.isGrey && { isGrey: true, width: 1 }),
      ...(seeds.length > 0 && !isMany && { spread: spreadOf(seeds) }),
      ...(dash && { dash }),
    };
  });
  const figure: LineFigure = {
    panels: [
      {
        title,
        subtitles: ['the warmer the colour, the higher the Gini of the loads', 'warm: high Gini'],
        x: {
          name: 'Tokens trained on',
          min: 0,
          max: Math.max(...lines.map(({ points }) => points.at(-1)![0])),
          whole: true,
        },
        y: { name: `${title}, nats per token`, free: true },
        lines,
      },
    ],
    perRow: 1,
    width,
    plotHeight: 340,
    legend: isMany ? [] : names,
  };
  return viewed(figure, view);
}
