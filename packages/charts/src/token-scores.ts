/** The way of one token through all layers: how every expert scored it, and which of them got it. */
import type { EChartsOption } from 'echarts';
import { type MatrixFigure, matrixOption, matrixSize } from './matrix.ts';
import { LAYERS_BY_EXPERTS } from './matrix-layout.ts';
import type { ThemeName } from './palette.ts';
import type { Size } from './parts.ts';
import { fourDigits } from './text.ts';

export interface TokenScoresInput {
  /** Title of the panel, such as the token. */
  readonly name: string;
  readonly layers: readonly {
    /** Its number in the model. */
    readonly layer: number;
    /** `[M]`: what experts were chosen by; the largest is the best. A number that does not exist is NaN. */
    readonly scores: readonly number[];
    /** Experts that got the token. */
    readonly chosen: readonly number[];
  }[];
  /** Most CSS pixels that the figure is wide. Default 1200. */
  readonly maxWidth?: number;
}

export function tokenScoresSize(input: TokenScoresInput): Size {
  return matrixSize(figureOf(input));
}

/**
 * ECharts option of layers x experts. Scores of different layers are of different sizes, so that the colour is the
 * place between the lowest and the highest of the layer; experts that groups keep a token from have none.
 *
 * @throws RangeError for no layer, or layers of different numbers of experts
 */
export function tokenScores(input: TokenScoresInput, theme: ThemeName = 'light'): EChartsOption {
  return matrixOption(figureOf(input), theme);
}

/** Below it are scores of experts that are out of reach, not low ones. */
const OUT_OF_REACH = -1e20;

function figureOf({ name, layers, maxWidth = 1200 }: TokenScoresInput): MatrixFigure {
  const experts = layers[0]?.scores.length ?? 0;
  const unequal = layers.find(({ scores }) => scores.length !== experts);
  if (experts === 0 || unequal !== undefined) {
    throw new RangeError(
      `the scores of a token need a layer, and as many experts in each; got ${layers.map(({ scores }) => scores.length).join(', ') || 'none'}`,
    );
  }
  const ranks = layers.map(({ scores }) => ranksOf(scores));
  return {
    panels: [
      {
        title: name,
        subtitles: ['framed: the experts that got the token', 'framed: its experts'],
        rows: layers.map(({ layer }) => String(layer)),
        columns: Array.from({ length: experts }, (_, expert) => String(expert)),
        values: layers.map(({ scores }) => withinRange(scores)),
        describe: (row, expert) => {
          const { layer, scores, chosen } = layers[row]!;
          const got = chosen.includes(expert) ? ', got the token' : '';
          const place = `number ${ranks[row]![expert]} of ${experts}`;
          return `layer ${layer}, expert ${expert}, score ${fourDigits(scores[expert]!)}, ${place}${got}`;
        },
        framed: layers.flatMap(({ chosen }, row) => chosen.map((expert) => [row, expert] as const)),
      },
    ],
    rowName: 'Layer',
    columnName: 'Expert',
    scale: { kind: 'share', max: 1, name: 'Score, from the lowest of the layer to the highest', isPlain: true },
    style: { ...LAYERS_BY_EXPERTS, maxWidth },
  };
}

function withinRange(scores: readonly number[]): number[] {
  const reached = scores.filter((score) => score > OUT_OF_REACH && score < Infinity);
  const low = reached.reduce((a, b) => Math.min(a, b), Infinity);
  const high = reached.reduce((a, b) => Math.max(a, b), -Infinity);
  return scores.map((score) =>
    score > OUT_OF_REACH && score < Infinity ? (high > low ? (score - low) / (high - low) : 1) : Number.NaN,
  );
}

/** From 1 for the highest. */
function ranksOf(scores: readonly number[]): number[] {
  const order = scores.map((_, expert) => expert).toSorted((a, b) => scores[b]! - scores[a]! || a - b);
  const ranks: number[] = [];
  for (const [place, expert] of order.entries()) ranks[expert] = place + 1;
  return ranks;
}
