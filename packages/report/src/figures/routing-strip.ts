/** A text, token by token, with the experts that each token went to. */
import { routingStrip as routingStripChart, type RoutingStripInput, routingStripSize } from '@lpr/charts';
import type { Part } from '@lpr/runs/browser';
import { defineFigure, type FigureRecord, type FigureWith, perRun, someLayers, whole } from './figure.ts';
import { lastTrace, type TraceAt } from './traces.ts';

export type RoutingStripNumbers = Pick<RoutingStripInput, 'name' | 'tokens' | 'layers'>;

/** Tokens of the held-out text that are shown word by word. */
export const STRIP_TOKENS = 96;

const CAPTION =
  'Tokens with the experts that each went to, as wide as their weights. In each layer the experts that carry most weight here have a colour.';

/** What is said of a text: held out, or given to a page above the figure. */
const TEXTS = { 'held-out': 'held-out text', given: 'the text above' } as const;

export function routingStripRecord(
  run: string,
  text: keyof typeof TEXTS,
  step: number,
  numbers: Omit<RoutingStripNumbers, 'name'>,
): FigureRecord<RoutingStripNumbers> {
  return {
    kind: 'routing-strip',
    title: `Routing of ${whole(numbers.tokens.length)} tokens of ${TEXTS[text]} at step ${whole(step)}`,
    caption: CAPTION,
    of: {
      runs: [run],
      text,
      tokens: numbers.tokens.length,
      step,
      layers: numbers.layers.map(({ layer }) => layer),
      label: run,
    },
    numbers: { name: run, ...numbers },
    levels: [],
    notes: [],
  };
}

function stripOf({ trace }: TraceAt, tokens: readonly string[]): Omit<RoutingStripNumbers, 'name'> {
  const { experts, slots } = trace;
  const layers = someLayers(trace.layers).map((layer) => {
    const rows = tokens.map((_, token) => {
      const start = (layer * trace.tokens + token) * slots;
      const taken = Array.from({ length: slots }, (_, slot) => start + slot).filter(
        (at) => trace.chosen[at]! < experts,
      );
      return { experts: taken.map((at) => trace.chosen[at]!), weights: taken.map((at) => trace.weights[at]!) };
    });
    return { layer, experts: rows.map((row) => row.experts), weights: rows.map((row) => row.weights) };
  });
  return { tokens, layers };
}

export const routingStrip: FigureWith<RoutingStripNumbers> = defineFigure<RoutingStripNumbers>({
  name: 'routing-strip',
  heading: 'A text, token by token',
  caption: CAPTION,
  needs: ['traces', 'texts'],
  records: (runs) =>
    perRun(
      runs,
      (run): Part<{ at: TraceAt; tokens: readonly string[] }> => {
        const at = lastTrace(run);
        if (at.value === undefined) return at;
        return run.texts.value === undefined ? run.texts : { value: { at: at.value, tokens: run.texts.value } };
      },
      ({ at, tokens }, { name }) => routingStripRecord(name, 'held-out', at.step, stripOf(at, tokens)),
    ),
  draw(numbers, { theme, width }) {
    const input = { ...numbers, ...(width !== undefined && { width }) };
    return { option: routingStripChart(input, theme), size: routingStripSize(input) };
  },
  table: ({ tokens, layers }) => ({
    header: ['token', 'text', 'layer', 'slot', 'expert', 'weight'],
    rows: layers.flatMap(({ layer, experts, weights }) =>
      tokens.flatMap((text, token) =>
        Array.from(experts[token]!, (expert, slot) => [token, text, layer, slot, expert, weights[token]![slot]!]),
      ),
    ),
  }),
});
