/** How much of its final routing a router has at each step. */
import { routerSaturation, type SaturationInput, saturationSize } from '@lpr/charts';
import { saturation as saturationOf } from '@lpr/metrics';
import { collect, defineFigure, type FigureRecord, type FigureWith, finite } from './figure.ts';
import { commonShare, type TraceAt, traceText } from './traces.ts';

export type SaturationNumbers = Pick<SaturationInput, 'runs' | 'chance'>;

const CAPTION =
  "How much of its final routing a router has at each step: the share of a token's experts that are among its experts at the end.";

/** @param runs at least one, each with at least one trace, steps ascending */
export function saturationRecord(
  runs: readonly { readonly name: string; readonly traces: readonly TraceAt[] }[],
): FigureRecord<SaturationNumbers> {
  const chance = commonShare(runs.map(({ traces }) => traces.at(-1)!.trace));
  const texts = runs.map(({ traces }) => traceText(traces.at(-1)!));
  const isCommon = new Set(texts).size === 1;
  return {
    kind: 'saturation',
    title: `Router saturation: ${isCommon ? texts[0]! : 'held-out text'}, and before`,
    caption: CAPTION,
    of: { runs: runs.map(({ name }) => name), text: 'held-out' },
    numbers: {
      runs: runs.map(({ name, traces }) => ({
        name,
        points: traces.map(({ step, trace }) => ({ step, layers: saturationOf(trace, traces.at(-1)!.trace) })),
      })),
      ...(chance !== undefined && { chance }),
    },
    levels: [],
    notes: isCommon ? [] : runs.map(({ name }, i) => `${name}: ${texts[i]}`),
  };
}

export const saturation: FigureWith<SaturationNumbers> = defineFigure<SaturationNumbers>({
  name: 'saturation',
  heading: 'Router saturation',
  caption: CAPTION,
  needs: ['traces'],
  records(runs) {
    const { found, missing } = collect(runs, ({ traces }) =>
      traces.value?.steps.length === 1 ? { missing: 'there is only one trace; it compares steps' } : traces,
    );
    if (found.length === 0) return { records: [], missing };
    const traced = found.map(({ run: { name }, value: { steps } }) => ({ name, traces: steps }));
    return { records: [saturationRecord(traced)], missing };
  },
  draw(numbers, { theme, width }) {
    const input = { ...numbers, ...(width !== undefined && { width }) };
    return { option: routerSaturation(input, theme), size: saturationSize(input) };
  },
  table: ({ runs }) => ({
    header: ['run', 'step', 'layer', 'saturation'],
    rows: runs.flatMap(({ name, points }) =>
      points.flatMap(({ step, layers }) => Array.from(layers, (value, layer) => [name, step, layer, finite(value)])),
    ),
  }),
});
