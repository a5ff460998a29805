/** Expert load: layers x experts, on held-out text or in windows of training, experts in order or sorted. */
import { type HeatmapInput, heatmapSize, loadHeatmap, type Look } from '@lpr/charts';
import { type Counts, layersReport, type LoadFile } from '@lpr/metrics';
import type { Part } from '@lpr/runs/browser';
import { routedWindow } from '../levels.ts';
import { bySetting, mean, type SettingRuns } from '../looks.ts';
import type { RunParts } from '../parts.ts';
import type { DataTable } from '../tables/csv.ts';
import { tokensText } from '../tables/table.ts';
import {
  collect,
  common,
  defineFigure,
  type FigureContext,
  type FigureOf,
  type FigureRecord,
  type FigureWith,
  levelsAndNotes,
  type Made,
  stepsText,
  whole,
} from './figure.ts';

/** The loads of one run. */
export interface RunLoads {
  readonly name: string;
  /** Runs of one differ in their seed alone. */
  readonly setting?: string | undefined;
  readonly look?: Look | undefined;
  /** `[layers][experts]` */
  readonly counts: readonly Counts[];
  readonly tokens: number;
  /** Until which the windows are, or at which the run was evaluated. */
  readonly step: number;
  /** Width of the run's own latents. */
  readonly latentDim: number | null;
}

export interface LoadNumbers {
  readonly models: HeatmapInput['models'];
  readonly order: 'index' | 'load';
}

/** Text that runs have loads on. */
export type Text = Exclude<FigureOf['text'], 'given'>;
type Order = LoadNumbers['order'];

/** Below a figure of training and one of held-out text: how to read either. */
const READING: Readonly<Record<Order, string>> = {
  index:
    'Load of every expert of every layer over its uniform share; the palest colour, or on a dark page the darkest, is balance.',
  load: 'The same loads with the experts of each layer from the busiest to the idlest: how steep the imbalance is.',
};

function nameOf(text: Text, order: Order): string {
  return `load-${text}${order === 'load' ? '-sorted' : ''}`;
}

/** What loads are of, and names of the runs that say what is not the same for all. */
export function ofText(
  text: Text,
  runs: readonly Pick<RunLoads, 'name' | 'tokens' | 'step'>[],
): { readonly what: string; readonly names: string[]; readonly tokens?: number; readonly step?: number } {
  const tokens = common(runs.map((run) => run.tokens));
  const step = common(runs.map((run) => run.step));
  const what =
    tokensText(
      runs.map((run) => run.tokens),
      text,
    ) + ` ${text === 'training' ? 'until' : 'after'} ${stepsText(runs.map((run) => run.step))}`;
  const names = runs.map((run) =>
    [
      run.name,
      ...(tokens === undefined ? [`${whole(run.tokens)} tokens`] : []),
      ...(step === undefined ? [`step ${whole(run.step)}`] : []),
    ].join(', '),
  );
  return { what, names, ...(tokens !== undefined && { tokens }), ...(step !== undefined && { step }) };
}

export function loadRecord(
  text: Text,
  runs: readonly RunLoads[],
  context: FigureContext,
  order: Order = 'index',
): FigureRecord<LoadNumbers> {
  const shown = bySetting(runs).map((setting) => (order === 'load' ? meanOf(setting) : typicalOf(setting)));
  const { what, names: _, ...of } = ofText(text, runs);
  const { names } = ofText(text, shown);
  const leveled = runs.map(({ name, counts, tokens, latentDim }) => ({
    name,
    latentDim,
    window: routedWindow(counts, tokens),
  }));
  const { levels, notes } = levelsAndNotes(leveled, context);
  return {
    kind: nameOf(text, order),
    title: `Expert load on ${what}${order === 'load' ? ', experts sorted by load' : ''}`,
    caption: READING[order],
    of: { runs: runs.map(({ name }) => name), text, ...of },
    numbers: {
      models: shown.map(({ counts, isMean }, i) => ({ name: names[i]!, counts, ...(isMean && { isMean }) })),
      order,
    },
    levels,
    notes: [...(shown.length < runs.length ? [SEEDS[order]] : []), ...notes],
  };
}

/** What is drawn of the seeds of a setting. */
const SEEDS: Readonly<Record<Order, string>> = {
  index:
    'Of several seeds the one of the middle Gini: experts of different seeds have nothing in common but their numbers, so a mean over them would be of none.',
  load: 'Of several seeds the mean load of the busiest expert of each layer, of the second, and so on.',
};

interface ShownLoads extends Pick<RunLoads, 'name' | 'counts' | 'tokens' | 'step'> {
  /** Of places in the order of load, not of experts. */
  readonly isMean?: boolean;
}

/** The seed of the middle Gini, of two the more even one. */
function typicalOf({ runs }: SettingRuns<RunLoads>): ShownLoads {
  const ginis = runs.map(({ counts }) => layersReport(counts).mean.gini);
  const order = runs.map((_, i) => i).toSorted((a, b) => ginis[a]! - ginis[b]!);
  return runs[order[Math.floor((runs.length - 1) / 2)]!]!;
}

function meanOf({ name, runs }: SettingRuns<RunLoads>): ShownLoads {
  const [first] = runs;
  if (runs.length === 1) return first!;
  const sorted = runs.map(({ counts }) => counts.map((loads) => Float64Array.from(loads).toSorted().toReversed()));
  const counts = first!.counts.map((_, layer) =>
    sorted[0]![layer]!.map((_load, place) => mean(sorted.map((own) => own[layer]![place]!))),
  );
  return { ...first!, name: `${name}, mean of ${runs.length} seeds`, counts, isMean: true };
}

export function loadTable({
  models,
}: {
  readonly models: readonly Pick<LoadNumbers['models'][number], 'name' | 'counts'>[];
}): DataTable {
  return {
    header: ['model', 'layer', 'expert', 'load'],
    rows: models.flatMap(({ name, counts }) =>
      counts.flatMap((loads, layer) => Array.from(loads, (load, expert) => [name, layer, expert, load])),
    ),
  };
}

/** Exact loads of the finished model, or of the newest evaluation, on held-out text. */
export function heldOutLoads({ name, setting, look, evaluation, facts }: RunParts): Part<RunLoads> {
  if (evaluation.value === undefined) return evaluation;
  const { counts, evaluatedTokens: tokens, step } = evaluation.value;
  if (counts.length === 0) return { missing: 'the model has no experts' };
  return { value: { name, setting, look, counts, tokens, step, latentDim: facts.latentDim } };
}

/** Loads of the last windows of a run, added up. */
export function recentLoads({ name, setting, look, loads, facts }: RunParts, windows: number = 1): Part<RunLoads> {
  if (loads.value === undefined) return loads;
  return { value: { name, setting, look, ...sumOfLast(loads.value, windows), latentDim: facts.latentDim } };
}

function sumOfLast({ shape, windows }: LoadFile, last: number): Pick<RunLoads, 'counts' | 'tokens' | 'step'> {
  const counts = Array.from({ length: shape.layers }, () => new Float64Array(shape.experts));
  let tokens = 0;
  for (const window of windows.slice(-last)) {
    tokens += window.tokens;
    for (const [layer, sums] of counts.entries()) {
      for (let expert = 0; expert < shape.experts; expert++) sums[expert]! += window.counts[layer]![expert]!;
    }
  }
  return { counts, tokens, step: windows.at(-1)?.step ?? 0 };
}

function loadFigure(text: Text, order: Order): FigureWith<LoadNumbers> {
  return defineFigure<LoadNumbers>({
    name: nameOf(text, order),
    heading: `Expert load ${text === 'training' ? 'in training' : 'on held-out text'}${order === 'load' ? ', sorted' : ''}`,
    caption: READING[order],
    records(runs, context): Made<LoadNumbers> {
      const { found, missing } = collect(runs, (run) =>
        text === 'training' ? recentLoads(run, context.windows) : heldOutLoads(run),
      );
      if (found.length === 0) return { records: [], missing };
      return {
        records: [
          loadRecord(
            text,
            found.map(({ value }) => value),
            context,
            order,
          ),
        ],
        missing,
      };
    },
    draw(numbers, { theme, width }) {
      const input = { ...numbers, ...(width !== undefined && { maxWidth: width }) };
      return { option: loadHeatmap(input, theme), size: heatmapSize(input) };
    },
    table: loadTable,
  });
}

export const loadHeldOut: FigureWith<LoadNumbers> = loadFigure('held-out', 'index');
export const loadHeldOutSorted: FigureWith<LoadNumbers> = loadFigure('held-out', 'load');
export const loadTraining: FigureWith<LoadNumbers> = loadFigure('training', 'index');
export const loadTrainingSorted: FigureWith<LoadNumbers> = loadFigure('training', 'load');
