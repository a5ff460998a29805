/** How alike the experts of a model are. */
import { expertSimilarity as similarityChart, expertSimilaritySize, type SimilarityInput } from '@lpr/charts';
import { meanOverPairs } from '@lpr/metrics';
import type { Similarity } from '@lpr/runs/browser';
import {
  defineFigure,
  type FigureRecord,
  type FigureWith,
  finite,
  layersText,
  perRun,
  someLayers,
  whole,
} from './figure.ts';

export type SimilarityNumbers = Pick<SimilarityInput, 'panels'>;

const CAPTION =
  'Linear centred kernel alignment of what two experts make of the same tokens, whichever they chose: 1 where the outputs are the same but for turning and scaling. By chance is the mean over pairs where the tokens of one expert are paired with those of the other at random.';

function similarityRecord(run: string, { step, layers }: Similarity): FigureRecord<SimilarityNumbers> {
  const shown = someLayers(layers.length).map((at) => layers[at]!);
  const { tokens } = shown[0]!;
  const numbers = shown.map(({ layer }) => layer);
  return {
    kind: 'expert-similarity',
    title: `Similarity of experts, ${layersText(numbers)}: ${whole(tokens)} held-out tokens at step ${whole(step)}`,
    caption: CAPTION,
    of: { runs: [run], text: 'held-out', tokens, step, layers: numbers, label: run },
    numbers: {
      panels: shown.map(({ layer, similarity, independent }) => ({
        name: `Layer ${layer}`,
        similarity,
        mean: meanOverPairs(similarity),
        independent: meanOverPairs(independent),
      })),
    },
    levels: [],
    notes: ['Untrained experts are alike too, since they read the same tokens: compare layers, runs and steps.'],
  };
}

export const expertSimilarity: FigureWith<SimilarityNumbers> = defineFigure<SimilarityNumbers>({
  name: 'expert-similarity',
  heading: 'Similarity of experts',
  caption: CAPTION,
  needs: ['similarity'],
  records: (runs) =>
    perRun(
      runs,
      ({ similarity }) => similarity,
      (similarity, { name }) => similarityRecord(name, similarity),
    ),
  draw(numbers, { theme, width }) {
    const input = { ...numbers, ...(width !== undefined && { maxWidth: width }) };
    return { option: similarityChart(input, theme), size: expertSimilaritySize(input) };
  },
  table: ({ panels }) => ({
    header: ['layer', 'expert', 'other expert', 'linear CKA'],
    rows: panels.flatMap(({ name, similarity }) =>
      similarity.flatMap((row, expert) => Array.from(row, (value, other) => [name, expert, other, finite(value)])),
    ),
  }),
});
