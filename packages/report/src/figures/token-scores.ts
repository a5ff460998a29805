/** The way of one token through all layers. Of a page alone: a text has too many tokens for files. */
import { tokenScores as tokenScoresChart, type TokenScoresInput, tokenScoresSize } from '@lpr/charts';
import { defineFigure, type FigureRecord, type FigureWith, finite, whole } from './figure.ts';

export type TokenScoresNumbers = Pick<TokenScoresInput, 'name' | 'layers'>;

const CAPTION =
  'How every expert of every layer scored the token, from the lowest score of the layer to the highest; the experts that got it are framed.';

/** @param token its number in the text, counted from 0 */
export function tokenScoresRecord(
  run: string,
  step: number,
  token: number,
  { name, layers }: TokenScoresNumbers,
): FigureRecord<TokenScoresNumbers> {
  return {
    kind: 'token-scores',
    title: `All scores of token ${whole(token + 1)} of the text above at step ${whole(step)}`,
    caption: CAPTION,
    of: { runs: [run], text: 'given', tokens: 1, step, layers: layers.map(({ layer }) => layer), label: run },
    numbers: { name, layers },
    levels: [],
    notes: [],
  };
}

export const tokenScores: FigureWith<TokenScoresNumbers> = defineFigure<TokenScoresNumbers>({
  name: 'token-scores',
  heading: 'All scores of a token',
  caption: CAPTION,
  records: () => ({ records: [], missing: [] }),
  draw(numbers, { theme, width }) {
    const input = { ...numbers, ...(width !== undefined && { maxWidth: width }) };
    return { option: tokenScoresChart(input, theme), size: tokenScoresSize(input) };
  },
  table: ({ layers }) => ({
    header: ['layer', 'expert', 'score', 'got the token'],
    rows: layers.flatMap(({ layer, scores, chosen }) =>
      scores.map((score, expert) => [layer, expert, finite(score), chosen.includes(expert) ? 1 : 0]),
    ),
  }),
});
