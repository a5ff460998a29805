/** Which experts work together. */
import { type CoActivationInput, coActivationMatrix, coActivationSize } from '@lpr/charts';
import { coActivation } from '@lpr/metrics';
import { defineFigure, type FigureRecord, type FigureWith, finite, layersText, perRun, someLayers } from './figure.ts';
import { lastTrace, type TraceAt, traceText } from './traces.ts';

export type CoActivationNumbers = Pick<CoActivationInput, 'panels'>;

const CAPTION = 'Of the tokens of expert i, the share that goes to expert j too.';

export function coActivationRecord(
  run: string,
  at: TraceAt,
  layers: readonly number[],
): FigureRecord<CoActivationNumbers> {
  const { trace, step } = at;
  return {
    kind: 'coactivation',
    title: `Experts that work together, ${layersText(layers)}: ${traceText(at)}`,
    caption: CAPTION,
    of: { runs: [run], text: 'held-out', tokens: trace.tokens, step, layers, label: run },
    numbers: {
      panels: layers.map((layer) => ({ name: `Layer ${layer}`, shares: coActivation(trace, layer).conditional })),
    },
    levels: [],
    notes: [],
  };
}

export const coactivation: FigureWith<CoActivationNumbers> = defineFigure<CoActivationNumbers>({
  name: 'coactivation',
  heading: 'Experts that work together',
  caption: CAPTION,
  needs: ['traces'],
  records: (runs) =>
    perRun(runs, lastTrace, (at, { name }) => coActivationRecord(name, at, someLayers(at.trace.layers))),
  draw(numbers, { theme, width }) {
    const input = { ...numbers, ...(width !== undefined && { maxWidth: width }) };
    return { option: coActivationMatrix(input, theme), size: coActivationSize(input) };
  },
  table: ({ panels }) => ({
    header: ['layer', 'expert', 'other expert', 'share'],
    rows: panels.flatMap(({ name, shares }) =>
      shares.flatMap((row, expert) => Array.from(row, (share, other) => [name, expert, other, finite(share)])),
    ),
  }),
});
