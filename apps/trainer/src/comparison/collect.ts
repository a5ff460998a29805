/** Finished runs and comparisons, from their folders, as results to store. */
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Machine, PaperTableResult, RunResult } from '@lpr/results';
import { readRun, RUN_FILES, settingName } from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { readSettings } from '../settings/check.ts';
import { readComparison } from './comparison.ts';
import { paperResults, runResult } from './results.ts';
import { readFinished, summarize } from './summary.ts';

export interface Collected {
  /** With all settings that they have. */
  readonly runs: readonly RunResult[];
  /** Of the comparisons among the folders, which must all have the same. */
  readonly paper: readonly PaperTableResult[];
  /** The day on which the last of them was finished. */
  readonly when: string;
  /** Of the first run. */
  readonly machine: Machine;
}

/**
 * Reads folders of runs and of comparisons. A run is called as its setting in the comparison; one by itself as its
 * folder is, but for a seed at its end ("corrected-1" with seed 1 is "corrected").
 *
 * @throws UsageError when a run is not finished, or comparisons stand beside other tables of the paper
 */
export async function collectResults(folders: readonly [string, ...string[]]): Promise<Collected> {
  const runs: RunResult[] = [];
  const paths: string[] = [];
  let paper: readonly PaperTableResult[] | undefined;
  for (const folder of folders) {
    const comparison = await readComparison(folder);
    if (comparison === null) {
      const settings = await readSettings(folder);
      const name = basename(resolve(folder));
      const [model] = summarize([await readRun(resolve(folder))], new Map([[name, settings]]));
      runs.push(runResult(settings, { ...model!, name: settingName(name, settings.seed) }));
      paths.push(folder);
      continue;
    }
    const tables = paperResults(comparison);
    if (paper !== undefined && JSON.stringify(paper) !== JSON.stringify(tables)) {
      throw new UsageError(
        `${folder} stands beside other tables of the paper than the comparisons before it; collect it into a file of its own`,
      );
    }
    paper = tables;
    runs.push(...(await readFinished(folder, comparison)).results);
    paths.push(...Array.from(comparison.runs.keys(), (name) => join(folder, name)));
  }
  const ends = await Promise.all(paths.map(async (path) => (await stat(join(path, RUN_FILES.evaluations))).mtime));
  const { environment } = await readRun(paths[0]!);
  return {
    runs,
    paper: paper ?? [],
    when: new Date(Math.max(...ends.map(Number))).toISOString().slice(0, 10),
    machine: {
      cpu: environment?.cpu ?? 'unknown',
      node: environment?.node ?? null,
      threads: environment?.threads ?? null,
    },
  };
}
