/** Finished runs and comparisons, from their folders, as results to store. */
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { balanceMeasures, textFloor } from '@lpr/metrics';
import type { Machine, PaperTableResult, RunResult } from '@lpr/results';
import { finalEvaluation, readBlocks, readRun, type Run, RUN_FILES, settingName } from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { readSettings } from '../settings/check.ts';
import { readComparison } from './comparison.ts';
import { paperResults, runResult } from './results.ts';
import { readFinished, summarize } from './summary.ts';

export interface Collected {
  /** With all settings that they have. */
  readonly runs: readonly RunResult[];
  /** Of the comparisons among the folders, a table with all formulations that they have of it. */
  readonly paper: readonly PaperTableResult[];
  /** The day on which the last run in the folders was finished. */
  readonly when: string;
  /** Of the first run in the folders. */
  readonly machine: Machine;
}

/**
 * Reads folders of runs and of comparisons. A run is called as its setting in the comparison; one by itself as its
 * folder is, but for a seed at its end ("corrected-1" with seed 1 is "corrected"). A run that is in several comparisons
 * is there once.
 *
 * @param before results that these are added to: further seeds and formulations of what they hold, and other runs
 * @throws UsageError when a run is not finished, comparisons have other rows in a table of the paper, a name and a seed
 *   have two results, or runs of one name differ in more than their seed
 */
export async function collectResults(
  folders: readonly [string, ...string[]],
  before: Pick<Collected, 'runs' | 'paper'> = { runs: [], paper: [] },
): Promise<Collected> {
  const runs: RunResult[] = [...before.runs];
  const paths: string[] = [];
  const tables = new Map(before.paper.map((table) => [table.number, table]));
  for (const folder of folders) {
    const comparison = await readComparison(folder);
    if (comparison === null) {
      const settings = await readSettings(folder);
      const name = basename(resolve(folder));
      const run = await readRun(resolve(folder));
      const [model] = summarize([run], new Map([[name, settings]]));
      const result = runResult(settings, { ...model!, name: settingName(name, settings.seed) });
      addRun(runs, await withTextFloor(result, run), folder);
      paths.push(folder);
      continue;
    }
    for (const table of paperResults(comparison)) {
      tables.set(table.number, joined(tables.get(table.number), table, folder));
    }
    const finished = await readFinished(folder, comparison);
    for (const [i, run] of finished.runs.entries()) {
      addRun(runs, await withTextFloor(finished.results[i]!, run), folder);
    }
    paths.push(...Array.from(comparison.runs.keys(), (name) => join(folder, name)));
  }
  return {
    runs,
    paper: [...tables.values()].toSorted((a, b) => a.number - b.number),
    ...(await provenanceOf(paths, RUN_FILES.evaluations)),
  };
}

/**
 * When and where runs were made.
 *
 * @param paths of their folders, at least one
 * @param file of each, of which the newest says when
 */
export async function provenanceOf(
  paths: readonly string[],
  file: string,
): Promise<Pick<Collected, 'when' | 'machine'>> {
  const ends = await Promise.all(paths.map(async (path) => (await stat(join(path, file))).mtime));
  const { environment } = await readRun(paths[0]!);
  return {
    when: new Date(Math.max(...ends.map(Number))).toISOString().slice(0, 10),
    machine: {
      cpu: environment?.cpu ?? 'unknown',
      node: environment?.node ?? null,
      threads: environment?.threads ?? null,
    },
  };
}

/** With the floor of its held-out text, of the measures that short tables show. */
async function withTextFloor(result: RunResult, { folder, evaluations }: Run): Promise<RunResult> {
  const final = finalEvaluation(evaluations.value ?? []);
  const { value: blocks = [] } = final === undefined ? {} : await readBlocks(folder, final.step);
  const floor = textFloor(blocks);
  if (floor === null) return result;
  const shown = balanceMeasures.filter(({ tables }) => tables === 'short');
  return { ...result, textFloor: Object.fromEntries(shown.map(({ key }) => [key, floor.mean[key]])) };
}

/** A table with the formulations of two comparisons. */
function joined(known: PaperTableResult | undefined, table: PaperTableResult, folder: string): PaperTableResult {
  if (known === undefined) return table;
  if (isUnfilled(known) !== isUnfilled(table)) return isUnfilled(known) ? table : known;
  const hasOtherRows = known.rows.length !== table.rows.length;
  const rows = known.rows.map((row, i) => {
    const other = table.rows[i];
    const isOther = Object.entries(other?.runs ?? {}).some(([name, run]) => (row.runs[name] ?? run) !== run);
    if (!hasOtherRows && other?.title === row.title && !isOther) {
      return { ...row, runs: { ...row.runs, ...other.runs } };
    }
    throw new UsageError(
      `${folder} has other rows in table ${table.number} of the paper than the comparisons before it; collect it into a file of its own`,
    );
  });
  return { ...known, rows };
}

/** Whether a table only stands beside runs, none of which is a row of it. */
function isUnfilled({ rows }: PaperTableResult): boolean {
  return rows.every((row) => Object.keys(row.runs).length === 0);
}

/** Of two results of one run, which intervals and floors only one of them has. */
function withMoreOf(known: RunResult, { bootstrap, textFloor: floor }: RunResult): RunResult {
  const differences = { ...bootstrap?.differences, ...known.bootstrap?.differences };
  return {
    ...known,
    ...(floor && { textFloor: floor }),
    ...(bootstrap && { bootstrap: { ...bootstrap, differences } }),
  };
}

/** What may be another at each seed of a setting: where a run computes and what it keeps, and where its text lies. */
const FREE: readonly string[] = [
  ...['seed', 'device', 'threads', 'training.checkpointEvery', 'training.keepCheckpoints'],
  ...['from', 'data.sources', 'data.tokenizer', 'data.tokenizer.path', 'evaluation.sources'],
];

/** Throws where a run has the name of another one and is no further seed of it, but of another setting. */
function checkSetting(runs: readonly RunResult[], run: RunResult, folder: string): void {
  for (const other of runs) {
    if (other.name !== run.name) continue;
    const path = Object.keys(run.settings).find(
      (each) => !FREE.includes(each) && each in other.settings && other.settings[each] !== run.settings[each],
    );
    if (path === undefined) continue;
    throw new UsageError(
      `${folder}: ${path} of ${run.name} is ${run.settings[path]}, but ${other.settings[path]} in the run of that name ` +
        'and another seed before it, so they are no seeds of one setting; rename the folder of one of the two, or ' +
        'collect it into a file of its own',
    );
  }
}

/** Adds a run, or to the same run what only this folder knows of it. */
function addRun(runs: RunResult[], run: RunResult, folder: string): void {
  const place = runs.findIndex(({ name, seed }) => name === run.name && seed === run.seed);
  const known = runs[place];
  if (known === undefined) {
    checkSetting(runs, run, folder);
    runs.push(run);
    return;
  }
  const { parameters, steps, testLoss, evaluatedTokens } = run;
  const isSame = Object.entries({ parameters, steps, testLoss, evaluatedTokens }).every(
    ([key, value]) => known[key as 'steps'] === value,
  );
  if (isSame) {
    runs[place] = withMoreOf(known, run);
    return;
  }
  throw new UsageError(
    `${folder}: ${run.name} of seed ${run.seed} has other results than the run of that name before it; ` +
      'rename one of the two, or collect it into a file of its own',
  );
}
