/** Several runs from their folder to their end: what is left is trained, then all is set side by side. */
import { availableParallelism } from 'node:os';
import type { RunResult } from '@lpr/results';
import { lockFolder, type Summary, SWEEP_FILES, sweepFile, writeSummary } from '@lpr/runs';
import type { Progress } from '../cli/progress.ts';
import type { Outcome, PlannedRun } from '../pool/one-run.ts';
import { inChildProcess, inThisProcess } from '../pool/places.ts';
import { trainAll } from '../pool/queue.ts';
import type { Sessions } from '../pool/sessions.ts';
import { type Comparison, runsOfSettings } from './comparison.ts';
import { drawComparison } from './pictures.ts';
import { readFinished, summaryOf } from './summary.ts';

/** How the runs of a comparison are trained. */
export interface TrainingPlaces {
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** In this process; null: each in a child process. */
  readonly sessions: Sessions | null;
  /** Child processes. */
  readonly parallel: number;
}

/** What there is of a comparison in the end. */
export interface FinishedComparison {
  /** The runs that are finished. */
  readonly comparison: Comparison;
  readonly summary: Summary;
  /** Of its runs, by the names of their settings. */
  readonly results: readonly RunResult[];
  /** What was written, as paths below its folder. */
  readonly files: readonly string[];
  /** Why the others failed, by their names. */
  readonly failures: ReadonlyMap<string, string>;
}

/**
 * Trains and evaluates what is left of a comparison, then sets its runs side by side.
 *
 * @returns null when the signal stopped it (checkpoints were saved)
 * @throws FolderInUseError when another process trains them
 */
export async function finishComparison(
  folder: string,
  comparison: Comparison,
  places: TrainingPlaces,
): Promise<FinishedComparison | null> {
  const unlock = await lockFolder(folder);
  try {
    const outcomes = await trainRuns(plannedRuns(folder, comparison), places);
    if (Array.from(comparison.runs.keys()).some((name) => isLeft(outcomes.get(name)))) return null;
    const failures = new Map(
      Array.from(outcomes).flatMap(([name, outcome]) => (outcome.kind === 'failed' ? [[name, outcome.reason]] : [])),
    );
    places.progress.phase('setting the results side by side');
    return await setSideBySide(folder, comparison, failures, (sentence) => places.progress.note(sentence));
  } finally {
    await unlock();
  }
}

function isLeft(outcome: Outcome | undefined): boolean {
  return outcome?.kind !== 'finished' && outcome?.kind !== 'failed';
}

/** The runs of a comparison as they are handed to who trains them. */
export function plannedRuns(folder: string, comparison: Comparison): PlannedRun[] {
  const origin = sweepFile(folder);
  const alone = new Set(
    Array.from(runsOfSettings(comparison).values()).flatMap((runs) => (runs.length === 1 ? runs : [])),
  );
  return Array.from(comparison.runs, ([name, settings]) => {
    return { name, folder, settings, origin, wantsBlocks: alone.has(name) };
  });
}

async function trainRuns(
  runs: readonly PlannedRun[],
  { progress, signal, sessions, parallel }: TrainingPlaces,
): Promise<Map<string, Outcome>> {
  const cores = availableParallelism();
  const places =
    sessions !== null
      ? [inThisProcess(sessions, signal)]
      : Array.from({ length: Math.min(parallel, runs.length) }, (_, place) => {
          const threads = Math.max(1, Math.floor(cores / parallel) + (place < cores % parallel ? 1 : 0));
          return inChildProcess(threads, signal, (line) => progress.note(line));
        });
  return await trainAll(runs, places, {
    signal,
    onOutcome: ({ name }, outcome) => {
      if (outcome.kind === 'failed') progress.note(`run=${name} failed: ${outcome.reason}`);
      if (outcome.kind === 'lost') progress.note(`run=${name}: its process ended (${outcome.reason})`);
      if (outcome.kind === 'busy') progress.note(`run=${name}: another process works on it; it is waited for`);
    },
  });
}

/**
 * Sets finished runs side by side: writes pictures, and the summary once all runs are finished.
 *
 * @param failures of the runs that are left out, by their names
 * @param onMissing told what is missing in the pictures, a sentence each
 */
export async function setSideBySide(
  folder: string,
  all: Comparison,
  failures: ReadonlyMap<string, string>,
  onMissing: (sentence: string) => void,
): Promise<FinishedComparison> {
  const isWhole = failures.size === 0;
  const runs = new Map(Array.from(all.runs).filter(([name]) => !failures.has(name)));
  // A table of the paper is one of all its rows.
  const comparison: Comparison = isWhole ? all : { ...all, runs, tables: new Map() };
  if (runs.size === 0) return { comparison, summary: { settings: [], models: [] }, results: [], files: [], failures };
  const { runs: read, models, results } = await readFinished(folder, comparison);
  const { written, missing } = await drawComparison(folder, comparison, read, results);
  missing.forEach(onMissing);
  const summary = summaryOf(comparison, models, results);
  // Last of all, so that a folder with one is whole.
  if (isWhole) await writeSummary(folder, summary);
  return { comparison, summary, results, files: [...(isWhole ? [SWEEP_FILES.summary] : []), ...written], failures };
}
