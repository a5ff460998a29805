/** A comparison from its folder to its end: what is left is trained, then all is set side by side. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RunResult } from '@lpr/results';
import { COMPARISON_FILES, lockFolder, RUN_FILES, RunFolder, type Summary, writeSummary } from '@lpr/runs';
import { finishRun } from '../run/finish.ts';
import type { Session } from '../run/session.ts';
import type { Settings } from '../settings/schema.ts';
import { type Comparison, settingNames } from './comparison.ts';
import { drawComparison } from './pictures.ts';
import { readFinished, summaryOf } from './summary.ts';

/** What there is of a comparison in the end. */
export interface FinishedComparison {
  readonly summary: Summary;
  /** Of its runs, by the names of their settings. */
  readonly results: readonly RunResult[];
  /** What was written, as paths below its folder. */
  readonly files: readonly string[];
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
  const names = settingNames(comparison);
  const isAlone = (name: string): boolean =>
    [...names.values()].filter((each) => each === names.get(name)).length === 1;
  for (const [name, settings] of comparison.runs) {
    const path = join(folder, name);
    const run = await openOrCreate(path, settings);
    try {
      const origin = join(folder, COMPARISON_FILES.comparison);
      const options = { name, origin, wantsBlocks: isAlone(name), signal };
      if ((await finishRun(session, run, settings, options)) === null) return null;
    } finally {
      await run.close();
    }
  }
  session.progress.phase('setting the results side by side');
  const { runs, models, results } = await readFinished(folder, comparison);
  const { written, missing } = await drawComparison(folder, comparison, runs, results);
  for (const sentence of missing) session.progress.note(sentence);
  const summary = summaryOf(comparison, models, results);
  await writeSummary(folder, summary);
  return { summary, results, files: [COMPARISON_FILES.summary, ...written] };
}

async function openOrCreate(path: string, settings: Settings): Promise<RunFolder> {
  return existsSync(join(path, RUN_FILES.config)) ? await RunFolder.open(path) : await RunFolder.create(path, settings);
}
