/** Which figures there are to draw of runs, and what each is drawn from. */
import {
  type CurvePoint,
  curvesSize,
  type FigureOption,
  gradientNorms,
  gradientsSize,
  type HeatmapModel,
  heatmapSize,
  loadHeatmap,
  loadHistory,
  loadHistorySize,
  lorenzCurves,
  lorenzSize,
  lossBalance,
  lossBalanceSize,
  type ReferenceLevel,
  type Size,
  stepTime,
  stepTimeSize,
  type ThemeName,
  trainingCurves,
} from '@lpr/charts';
import type { LoadFile } from '@lpr/metrics';
import { type EvaluationLine, type MetricsLine, type Part, type Run, RUN_FILES } from '@lpr/runs';

/** A figure that can be drawn. */
export interface Picture {
  readonly size: Size;
  readonly option: (theme: ThemeName) => FigureOption;
  /** What it shows beyond what its kind does, such as the run that it is of. */
  readonly of?: string;
}

/** What all figures may refer to. */
export interface RenderContext {
  /** Windows at the end of each run that the heatmap adds up. */
  readonly windows: number;
  /** Balance without any structure at so many tokens; none where runs differ in experts or top-k. */
  readonly levels: (tokens: number) => readonly ReferenceLevel[];
}

export interface FigureKind {
  readonly name: string;
  readonly title: string;
  /** One or two sentences for a reader of the report. */
  readonly caption: string;
  /** What can be drawn, and a sentence for each run that is missing in it. */
  readonly draw: (runs: readonly Run[], context: RenderContext) => Drawn | Promise<Drawn>;
}

export interface Drawn {
  readonly pictures: readonly Picture[];
  readonly missing: readonly string[];
}

/** Puts a figure's input, option and size together. */
export function picture<Input>(
  input: Input,
  option: (input: Input, theme?: ThemeName) => FigureOption,
  size: (input: Input) => Size,
  of?: string,
): Picture {
  return { size: size(input), option: (theme) => option(input, theme), ...(of !== undefined && { of }) };
}

/** What each run gives, and a sentence for each that gives nothing. */
export function collect<T>(
  runs: readonly Run[],
  part: (run: Run) => Part<T>,
): { found: { run: Run; value: T }[]; missing: string[] } {
  const found: { run: Run; value: T }[] = [];
  const missing: string[] = [];
  for (const run of runs) {
    const read = part(run);
    if (read.value === undefined) missing.push(`${run.name}: ${'missing' in read ? read.missing : 'nothing there'}`);
    else found.push({ run, value: read.value });
  }
  return { found, missing };
}

/** A figure of each run by itself. */
export function perRun<T>(
  runs: readonly Run[],
  part: (run: Run) => Part<T>,
  draw: (value: T, run: Run) => Picture,
): Drawn {
  const { found, missing } = collect(runs, part);
  return { pictures: found.map(({ run, value }) => ({ ...draw(value, run), of: run.name })), missing };
}

/** First, middle and last: of many layers those that are drawn. */
export function someLayers(layers: number): number[] {
  return Array.from(new Set([0, Math.floor((layers - 1) / 2), layers - 1]));
}

export const RUN_FIGURES: readonly FigureKind[] = [
  {
    name: 'heatmap',
    title: 'Expert load in training',
    caption:
      'Load of every expert of every layer over its uniform share, in the last windows of training; the palest colour, or on a dark page the darkest, is balance.',
    draw: (runs, context) => heatmap(runs, context, 'index'),
  },
  {
    name: 'heatmap-sorted',
    title: 'Expert load in training, sorted',
    caption:
      'The same loads with the experts of each layer from the busiest to the idlest: how steep the imbalance is.',
    draw: (runs, context) => heatmap(runs, context, 'load'),
  },
  {
    name: 'heatmap-held-out',
    title: 'Expert load on held-out text',
    caption: 'Exact counts of the finished model on held-out text, over the uniform share.',
    draw: (runs, { levels }) => {
      const { found, missing } = collect(runs, heldOutCounts);
      if (found.length === 0) return { pictures: [], missing };
      const footnote = footnoteOf(
        found.map(({ run }) => newestEvaluation(run).value?.evaluatedTokens ?? 0),
        levels,
      );
      const input = { models: found.map(({ run, value }) => ({ name: run.name, counts: value })), ...footnote };
      return { pictures: [picture(input, loadHeatmap, heatmapSize)], missing };
    },
  },
  {
    name: 'curves',
    title: 'Loss and balance over training',
    caption:
      'Balance is that of each logging window, averaged over layers. A uniform router would reach the sampling floor; random latents and keys, with no training, the isotropic null.',
    draw: (runs, { levels }) => {
      const { found, missing } = collect(runs, ({ metrics }) => metrics);
      if (found.length === 0) return { pictures: [], missing };
      const tokens = commonTokens(runs.map(({ loads }) => loads.value?.windows.at(-1)?.tokens ?? 0));
      const input = {
        runs: found.map(({ run, value }) => ({ name: run.name, points: value.map(curvePoint) })),
        references: tokens === undefined ? [] : levels(tokens),
      };
      return { pictures: [picture(input, trainingCurves, curvesSize)], missing };
    },
  },
  {
    name: 'lorenz',
    title: 'Lorenz curves',
    caption:
      'Share of the load that the idlest experts carry; twice the area below the diagonal is the Gini coefficient.',
    draw: (runs, { windows }) => {
      const { found, missing } = collect(runs, (run) => {
        const counts = heldOutCounts(run);
        return counts.value ? counts : recentModel(run, windows);
      });
      if (found.length === 0) return { pictures: [], missing };
      const input = { models: found.map(({ run, value }) => ({ name: run.name, counts: value })) };
      return { pictures: [picture(input, lorenzCurves, lorenzSize)], missing };
    },
  },
  {
    name: 'loss-balance',
    title: 'Loss against balance',
    caption: 'Held-out loss of each run against its Gini coefficient; no run beats one on the Pareto front in both.',
    draw: (runs, { levels }) => {
      const { found, missing } = collect(runs, (run): Part<{ loss: number; gini: number }> => {
        const evaluation = newestEvaluation(run);
        if (evaluation.value === undefined) return evaluation;
        const { loss, balance } = evaluation.value;
        const { gini = null } = balance?.mean ?? {};
        return gini === null ? { missing: 'the evaluation has no Gini' } : { value: { loss, gini } };
      });
      if (found.length < 2)
        return { pictures: [], missing: [...missing, 'it compares runs: give at least two that were evaluated'] };
      const tokens = commonTokens(found.map(({ run }) => newestEvaluation(run).value?.evaluatedTokens ?? 0));
      const input = {
        balance: 'gini' as const,
        runs: found.map(({ run, value: { loss, gini } }) => ({
          name: run.name,
          group: run.facts.router ?? '',
          loss,
          balance: gini,
        })),
        references: (tokens === undefined ? [] : levels(tokens)).map(({ name, gini }) => ({ name, balance: gini })),
      };
      return { pictures: [picture(input, lossBalance, lossBalanceSize)], missing };
    },
  },
  {
    name: 'load-history',
    title: 'Expert load over training',
    caption:
      'Experts x steps of the first, the middle and the last layer: when an expert starves, and whether it comes back.',
    draw: (runs) =>
      perRun(
        runs,
        ({ loads }) => loads,
        ({ shape, windows }) =>
          picture(
            {
              panels: someLayers(shape.layers).map((layer) => ({
                name: `Layer ${layer}`,
                windows: windows.map(({ step, counts }) => ({ step, counts: counts[layer]! })),
              })),
            },
            loadHistory,
            loadHistorySize,
          ),
      ),
  },
  {
    name: 'gradients',
    title: 'Gradients by loss term',
    caption: 'Norm of the gradient of each weighted loss term at the router, at the prototypes and at everything else.',
    draw: (runs) =>
      perRun(
        runs,
        ({ metrics }) => withField(metrics, 'gradientNorms', `no line of ${RUN_FILES.metrics} has gradient norms`),
        (points) => {
          const terms = Array.from(new Set(points.flatMap(({ gradientNorms }) => Object.keys(gradientNorms ?? {}))));
          return picture(
            {
              terms: terms.map((name) => ({
                name,
                points: points.flatMap(({ step, gradientNorms }) => {
                  const norms = gradientNorms?.[name];
                  return norms ? [{ ...existing(norms), step }] : [];
                }),
              })),
            },
            gradientNorms,
            gradientsSize,
          );
        },
      ),
  },
  {
    name: 'step-time',
    title: 'Time of a training step',
    caption: 'Milliseconds a step by part of the model, averaged over the windows of the second half of training.',
    draw: (runs) => {
      const { found, missing } = collect(runs, ({ metrics }) =>
        withField(metrics, 'phases', `no line of ${RUN_FILES.metrics} has times by part of the model`),
      );
      if (found.length === 0) return { pictures: [], missing };
      const input = {
        runs: found.map(({ run, value }) => ({ name: run.name, phases: meanPhases(value) })),
      };
      return { pictures: [picture(input, stepTime, stepTimeSize)], missing };
    },
  },
];

function heatmap(runs: readonly Run[], { windows, levels }: RenderContext, order: 'index' | 'load'): Drawn {
  const { found, missing } = collect(runs, ({ loads }) =>
    loads.value ? { value: recentLoads(loads.value, windows) } : loads,
  );
  if (found.length === 0) return { pictures: [], missing };
  const input = {
    models: found.map(({ run, value }): HeatmapModel => ({ name: run.name, counts: value.counts })),
    order,
    ...footnoteOf(
      found.map(({ value }) => value.tokens),
      levels,
    ),
  };
  return { pictures: [picture(input, loadHeatmap, heatmapSize)], missing };
}

/** What no structure at all would reach, for below a heatmap. */
function footnoteOf(tokens: readonly number[], levels: RenderContext['levels']): { footnote?: string } {
  const common = commonTokens(tokens);
  const [floor, isotropic] = common === undefined ? [] : levels(common);
  if (common === undefined || !floor || !isotropic) return {};
  return {
    footnote: `Gini without any structure, over ${common.toLocaleString('en')} tokens: uniform router ${floor.gini.toFixed(3)}, random latents and keys ${isotropic.gini.toFixed(3)}`,
  };
}

/** The number of tokens of all runs, where it is one. */
function commonTokens(tokens: readonly number[]): number | undefined {
  const [first = 0] = tokens;
  return first > 0 && tokens.every((other) => other === first) ? first : undefined;
}

/** Of the finished model, or the newest there is. */
export function newestEvaluation({ evaluations }: Run): Part<EvaluationLine> {
  return evaluations.value === undefined ? evaluations : { value: evaluations.value.at(-1)! };
}

function heldOutCounts(run: Run): Part<EvaluationLine['counts']> {
  const evaluation = newestEvaluation(run);
  if (evaluation.value === undefined) return evaluation;
  const { counts } = evaluation.value;
  return counts.length === 0 ? { missing: 'the model has no experts' } : { value: counts };
}

function curvePoint({ step, loss, balance }: MetricsLine): CurvePoint {
  const { gini, minMax, maxViolation: maxVio } = balance?.mean ?? {};
  return { step, loss, ...existing({ gini, minMax, maxVio }) };
}

/** Those that exist. */
function existing<Name extends string>(
  values: Readonly<Record<Name, number | null | undefined>>,
): Partial<Record<Name, number>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => typeof value === 'number')) as Partial<
    Record<Name, number>
  >;
}

function recentModel({ loads }: Run, windows: number): Part<readonly ArrayLike<number>[]> {
  return loads.value ? { value: recentLoads(loads.value, windows).counts } : loads;
}

/** Loads of the last windows of a run, and how many tokens they count. */
function recentLoads({ shape, windows }: LoadFile, last: number): { tokens: number; counts: Float64Array[] } {
  const counts = Array.from({ length: shape.layers }, () => new Float64Array(shape.experts));
  let tokens = 0;
  for (const window of windows.slice(-last)) {
    tokens += window.tokens;
    for (const [layer, sums] of counts.entries()) {
      for (let expert = 0; expert < shape.experts; expert++) sums[expert]! += window.counts[layer]![expert]!;
    }
  }
  return { tokens, counts };
}

function withField(
  metrics: Part<readonly MetricsLine[]>,
  field: 'phases' | 'gradientNorms',
  missing: string,
): Part<readonly MetricsLine[]> {
  if (metrics.value === undefined) return metrics;
  const having = metrics.value.filter((line) => line[field] !== undefined);
  return having.length > 0 ? { value: having } : { missing };
}

function meanPhases(points: readonly MetricsLine[]): Record<string, number> {
  const late = points.slice(Math.floor(points.length / 2));
  const sums: Record<string, number> = {};
  for (const { phases } of late) {
    for (const [part, time] of Object.entries(phases ?? {})) sums[part] = (sums[part] ?? 0) + time / late.length;
  }
  return sums;
}
