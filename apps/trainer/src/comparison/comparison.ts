/**
 * A comparison: runs on the same text, trained one after the other, then set side by side. They differ in their router
 * alone, or are rows of the paper's tables. Its folder holds `comparison.yaml` (the settings of each run), a run folder
 * for each, and in the end `summary.json` and pictures in `figures/`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  COMPARISON_FILES,
  createComparison as createComparisonFolder,
  lockFolder,
  readComparison as readStoredComparison,
  readRun,
  RUN_FILES,
  RunFolder,
  type Summary,
  writeSummary,
} from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { finishRun } from '../run/finish.ts';
import type { Session } from '../run/session.ts';
import { checkStoredSettings } from '../settings/check.ts';
import type { Settings } from '../settings/schema.ts';
import { PAPER_TABLES, type PaperTableNumber } from './paper.ts';
import { drawComparison } from './pictures.ts';
import { summarize } from './summary.ts';

export interface Comparison {
  /** By the name of the run's folder. */
  readonly runs: ReadonlyMap<string, Settings>;
  /** Of the paper: for each row, the name of its run. Without any, the runs differ in their router alone. */
  readonly tables: ReadonlyMap<PaperTableNumber, readonly string[]>;
}

/** What there is of a comparison in the end. */
export interface FinishedComparison {
  readonly summary: Summary;
  /** What was written, as paths below its folder. */
  readonly files: readonly string[];
}

/**
 * Makes the folder of a comparison.
 *
 * @throws Error when something is there already
 */
export async function createComparison(folder: string, { runs, tables }: Comparison): Promise<void> {
  await createComparisonFolder(folder, { runs: Object.fromEntries(runs), tables: Object.fromEntries(tables) });
}

/**
 * The comparison in a folder; null when it holds none.
 *
 * @throws Error when its file is damaged; UsageError when the settings of a run are, or a table has other rows than the
 *   paper's
 */
export async function readComparison(folder: string): Promise<Comparison | null> {
  const stored = await readStoredComparison(folder);
  if (stored === null) return null;
  const path = join(folder, COMPARISON_FILES.comparison);
  const tables = Object.entries(stored.tables).map(([number, names]) => {
    const table = Number(number) as PaperTableNumber;
    if (names.length === PAPER_TABLES[table]?.rows.length) return [table, names] as const;
    throw new UsageError(`${path} is damaged: table ${number} must name a run for every row that it has in the paper`);
  });
  const runs = Object.entries(stored.runs).map(
    ([name, settings]) => [name, checkStoredSettings(settings, `${path}, run ${name}`)] as const,
  );
  return { runs: new Map(runs), tables: new Map(tables) };
}

/**
 * Trains and evaluates what is left of a comparison, then writes its summary and pictures.
 *
 * @returns null when the signal stopped it (a checkpoint was saved)
 */
export async function finishComparison(
  session: Session,
  folder: string,
  comparison: Comparison,
  signal: AbortSignal,
): Promise<FinishedComparison | null> {
  const unlock = await lockFolder(folder);
  try {
    return await finishLocked(session, folder, comparison, signal);
  } finally {
    await unlock();
  }
}

async function finishLocked(
  session: Session,
  folder: string,
  comparison: Comparison,
  signal: AbortSignal,
): Promise<FinishedComparison | null> {
  const { runs, tables } = comparison;
  for (const [name, settings] of runs) {
    const path = join(folder, name);
    const run = await openOrCreate(path, settings);
    try {
      const origin = join(folder, COMPARISON_FILES.comparison);
      if ((await finishRun(session, run, settings, { name, origin, signal })) === null) return null;
    } finally {
      await run.close();
    }
  }
  session.progress.phase('drawing the pictures');
  const finished = await Promise.all(Array.from(runs.keys(), (name) => readRun(join(folder, name))));
  const summary = summarize(finished, runs);
  const { written, missing } = await drawComparison(folder, finished, tables);
  for (const sentence of missing) session.progress.note(sentence);
  await writeSummary(folder, summary);
  return { summary, files: [COMPARISON_FILES.summary, ...written] };
}

async function openOrCreate(path: string, settings: Settings): Promise<RunFolder> {
  return existsSync(join(path, RUN_FILES.config)) ? await RunFolder.open(path) : await RunFolder.create(path, settings);
}
