/** What figures are made of: the parts of a run as plain data, read from its folder or sent by a server. */
import type { Look } from '@lpr/charts';
import type { LoadFile } from '@lpr/metrics';
import {
  type EvaluationLine,
  type LayerLatents,
  type MetricsLine,
  MetricsSeries,
  type Part,
  type RunFacts,
  type SeriesFile,
  settingTexts,
  type Similarity,
  type Traces,
} from '@lpr/runs/browser';
import type { Run } from '@lpr/runs';
import { type RoutedWindow, routedWindow } from './levels.ts';
import type { NamedRun } from './names.ts';

/** One run. A part that is not there says why. */
export interface RunParts {
  /** That tells it from the others: `runNames`. */
  readonly name: string;
  /** Of all runs that differ from it in the seed alone, where they are to be shown together; else left out. */
  readonly setting?: string;
  /** By their dotted paths; left out where they are not known. */
  readonly settings?: ReadonlyMap<string, string>;
  /** How it is told from the others: `withLooks`. */
  readonly look?: Look;
  readonly facts: Pick<RunFacts, 'router' | 'latentDim' | 'seed' | 'byAngle' | 'sequenceLength'>;
  readonly series: Part<SeriesFile>;
  /** Of the finished model, or the newest. */
  readonly evaluation: Part<EvaluationLine>;
  /** All of them, steps ascending; at least one. */
  readonly evaluations: Part<readonly Omit<EvaluationLine, 'counts'>[]>;
  readonly loads: Part<LoadFile>;
  /** Its first logging window, and so, but for the last one, each; null where there is none. */
  readonly window: RoutedWindow | null;
  readonly traces: Part<Traces>;
  /** The first tokens of the traces as text. */
  readonly texts: Part<readonly string[]>;
  readonly latents: Part<readonly LayerLatents[]>;
  readonly similarity: Part<Similarity>;
}

/** Points of a curve at most: about as many as a wide picture has pixels for. More are averaged. */
export const CURVE_POINTS = 1000;

const NOT_READ = { missing: 'it was not read' };

/** The parts of a run folder that was read; traces and the like, where they are needed, come from `more`. */
export function partsOf(
  run: Run,
  name: string,
  more: Partial<Pick<RunParts, 'traces' | 'texts' | 'latents' | 'similarity'>> = {},
): RunParts {
  const { facts, metrics, evaluations, loads } = run;
  const first = loads.value?.windows[0];
  return {
    name,
    settings: new Map(settingTexts(run.settings)),
    facts,
    series: metrics.value === undefined ? metrics : { value: seriesFile(metrics.value) },
    evaluation: evaluations.value === undefined ? evaluations : { value: evaluations.value.at(-1)! },
    evaluations: evaluations.value === undefined ? evaluations : { value: onePerStep(evaluations.value) },
    loads,
    window: first === undefined ? null : routedWindow(first.counts, first.tokens),
    traces: NOT_READ,
    texts: NOT_READ,
    latents: NOT_READ,
    similarity: NOT_READ,
    ...more,
  };
}

/** Of two evaluations at one step, as where a run stops early, the later one. */
export function onePerStep<Line extends { readonly step: number }>(lines: readonly Line[]): Line[] {
  return lines.filter(({ step }, i) => step !== lines[i + 1]?.step);
}

function seriesFile(lines: readonly MetricsLine[]): SeriesFile {
  const series = new MetricsSeries();
  for (const line of lines) series.line(line);
  return series.file(CURVE_POINTS);
}

/** What the name of a run that was read is made of. */
export function namedRun({ name, folder, settings }: Pick<Run, 'name' | 'folder' | 'settings'>): NamedRun {
  return { name, path: folder, settings: new Map(settingTexts(settings)) };
}
