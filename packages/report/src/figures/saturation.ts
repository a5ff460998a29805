/** How much routings of the same tokens at several steps have in common: with the last one, and with the one before. */
import { routerSaturation, type SaturationInput, saturationSize } from '@lpr/charts';
import { independentOverlap, type RoutingTrace, saturation as saturationOf } from '@lpr/metrics';
import { collect, common, defineFigure, type FigureRecord, type FigureWith, finite, stepsText } from './figure.ts';
import { tokensText } from '../tables/table.ts';
import { type TraceAt, traceText } from './traces.ts';

export type SaturationNumbers = Pick<SaturationInput, 'runs' | 'subtitles'>;

/** The traces of a run. */
interface TracedRun {
  readonly name: string;
  /** Steps ascending. */
  readonly traces: readonly TraceAt[];
}

/** Two routings of the same tokens that are set against each other. */
interface Pair {
  /** Where it is drawn. */
  readonly step: number;
  readonly trace: RoutingTrace;
  /** Whose experts are looked for in `trace`. */
  readonly against: RoutingTrace;
}

interface Kind {
  readonly name: string;
  readonly heading: string;
  readonly caption: string;
  readonly subtitles: readonly string[];
  /** Before what text it is of. */
  readonly title: string;
  readonly pairs: (traces: readonly TraceAt[]) => readonly Pair[];
}

const LEVEL =
  'The dotted line of a layer is what routings of the same loads that have nothing else in common would share.';

const SATURATION: Kind = {
  name: 'saturation',
  heading: 'Router saturation',
  caption: `How much of its final routing a router has at each step: the share of a token's experts that are among its experts at the end. ${LEVEL}`,
  subtitles: ["share of a token's experts that are its last ones", 'share of final experts'],
  title: 'Router saturation, against the last routing,',
  pairs: (traces) => traces.map(({ step, trace }) => ({ step, trace, against: traces.at(-1)!.trace })),
};

const STABILITY: Kind = {
  name: 'stability',
  heading: 'Routing stability',
  caption: `How steady a router is from each trace to the next: the share of a token's experts that it keeps. ${LEVEL}`,
  subtitles: ["share of a token's experts that it keeps from the trace before", 'share of kept experts'],
  title: 'Routing stability, from each trace to the next,',
  pairs: (traces) => traces.slice(1).map(({ step, trace }, i) => ({ step, trace, against: traces[i]!.trace })),
};

function recordOf(kind: Kind, runs: readonly TracedRun[]): FigureRecord<SaturationNumbers> {
  const counts = runs.map(({ traces }) => traces.at(-1)!.trace.tokens);
  const tokens = common(counts);
  const { name, caption, subtitles } = kind;
  const steps = runs.flatMap(({ traces }) => traces.map(({ step }) => step));
  const last = Math.max(...steps);
  return {
    kind: name,
    title: `${kind.title} of ${tokensText(counts)}, ${stepsText(steps)}`,
    caption,
    of: {
      ...{ runs: runs.map((run) => run.name), text: 'held-out', step: last },
      ...(tokens !== undefined && { tokens }),
    },
    numbers: {
      runs: runs.map(({ name: run, traces }) => {
        const pairs = kind.pairs(traces);
        return {
          name: run,
          points: pairs.map(({ step, trace, against }) => ({
            step,
            layers: saturationOf(trace, against),
            chance: independentOverlap(trace, against),
          })),
        };
      }),
      subtitles,
    },
    levels: [],
    notes: runs.every(({ traces }) => traces.at(-1)!.trace.tokens === tokens && traces.at(-1)!.step === last)
      ? []
      : runs.map((run) => `${run.name}: ${traceText(run.traces.at(-1)!)}`),
  };
}

/** @param runs at least one, each with at least one trace */
export function saturationRecord(runs: readonly TracedRun[]): FigureRecord<SaturationNumbers> {
  return recordOf(SATURATION, runs);
}

/** @param runs at least one, each with at least two traces */
export function stabilityRecord(runs: readonly TracedRun[]): FigureRecord<SaturationNumbers> {
  return recordOf(STABILITY, runs);
}

function figureOf(kind: Kind): FigureWith<SaturationNumbers> {
  const { name, heading, caption } = kind;
  return defineFigure<SaturationNumbers>({
    ...{ name, heading, caption, needs: ['traces'] },
    records(runs) {
      const { found, missing } = collect(runs, ({ traces }) =>
        traces.value?.steps.length === 1
          ? { missing: 'there is only one trace; it compares steps: set evaluation.every' }
          : traces,
      );
      if (found.length === 0) return { records: [], missing };
      return {
        records: [
          recordOf(
            kind,
            found.map(({ run, value: { steps } }) => ({ name: run.name, traces: steps })),
          ),
        ],
        missing,
      };
    },
    draw(numbers, { theme, width }) {
      const input = { ...numbers, ...(width !== undefined && { width }) };
      return { option: routerSaturation(input, theme), size: saturationSize(input) };
    },
    table: ({ runs }) => ({
      header: ['run', 'step', 'layer', name, 'independent'],
      rows: runs.flatMap(({ name: run, points }) =>
        points.flatMap(({ step, layers, chance }) =>
          Array.from(layers, (value, layer) => [run, step, layer, finite(value), finite(chance[layer]!)]),
        ),
      ),
    }),
  });
}

export const saturation: FigureWith<SaturationNumbers> = figureOf(SATURATION);
export const stability: FigureWith<SaturationNumbers> = figureOf(STABILITY);
