/** How much experts keep to tokens of their own. */
import {
  type Look,
  MOST_COLOURS,
  type VocabularyInput,
  vocabularySize,
  vocabularySpecialisation as vocabularyChart,
} from '@lpr/charts';
import { vocabularySpecialisation } from '@lpr/metrics';
import { collect, common, defineFigure, type FigureRecord, type FigureWith, finite, stepsText } from './figure.ts';
import { commonShare, lastTrace, type TraceAt, traceText } from './traces.ts';

export type VocabularyNumbers = Pick<VocabularyInput, 'runs' | 'uniform'>;

const CAPTION =
  'How much experts keep to tokens of their own: near uniform routing the token does not matter, at 1 an expert has all of its tokens.';

/** @param runs at least one */
export function vocabularyRecord(
  runs: readonly ({ readonly name: string; readonly look?: Look | undefined } & TraceAt)[],
): FigureRecord<VocabularyNumbers> {
  const uniform = commonShare(runs.map(({ trace }) => trace));
  const text = common(runs.map(traceText));
  return {
    kind: 'vocabulary',
    title: `Experts by token: ${text ?? `held-out text at ${stepsText(runs.map(({ step }) => step))}`}`,
    caption: CAPTION,
    of: { runs: runs.map(({ name }) => name), text: 'held-out' },
    numbers: {
      runs: runs.map(({ name, look, trace }) => ({
        ...{ name, ...look },
        layers: Array.from({ length: trace.layers }, (_, layer) => vocabularySpecialisation(trace, layer)),
      })),
      ...(uniform !== undefined && { uniform }),
    },
    levels: [],
    notes: [
      ...(runs.length > MOST_COLOURS
        ? ['Of many runs, those with a colour have boxes; the numbers of all are in the table.']
        : []),
      ...(text === undefined ? runs.map((run) => `${run.name}: ${traceText(run)}`) : []),
    ],
  };
}

export const vocabulary: FigureWith<VocabularyNumbers> = defineFigure<VocabularyNumbers>({
  name: 'vocabulary',
  heading: 'Experts by token',
  caption: CAPTION,
  needs: ['traces'],
  records(runs) {
    const { found, missing } = collect(runs, lastTrace);
    if (found.length === 0) return { records: [], missing };
    return {
      records: [vocabularyRecord(found.map(({ run: { name, look }, value }) => ({ name, look, ...value })))],
      missing,
    };
  },
  draw(numbers, { theme, width }) {
    const input = { ...numbers, ...(width !== undefined && { width: Math.min(width, 760) }) };
    return { option: vocabularyChart(input, theme), size: vocabularySize(input) };
  },
  table: ({ runs }) => ({
    header: ['run', 'layer', 'expert', 'specialisation'],
    rows: runs.flatMap(({ name, layers }) =>
      layers.flatMap((row, layer) => Array.from(row, (value, expert) => [name, layer, expert, finite(value)])),
    ),
  }),
});
