/** `pnpm trainer sweep`: the runs of a file, how far they are, and what they gave. */
import { basename, extname, join } from 'node:path';
import { tableText } from '@lpr/report/tables';
import { leavesOf } from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { INTERRUPTED, listenForInterrupt } from '../cli/interrupt.ts';
import { createProgress } from '../cli/progress.ts';
import { joinRanks } from '../cli/ranks.ts';
import { type Comparison, createComparison, readComparison } from '../comparison/comparison.ts';
import { plannedRuns, setSideBySide } from '../comparison/finish.ts';
import { trainOne } from '../pool/one-run.ts';
import { sessionOf } from '../pool/places.ts';
import { Sessions } from '../pool/sessions.ts';
import { loadTokens } from '../run/session.ts';
import type { SettingOptions } from '../settings/resolve.ts';
import type { Settings } from '../settings/schema.ts';
import { checkSlurm, expandSweep, readSweepFile } from '../sweep/expand.ts';
import type { SlurmSettings, SweepFile } from '../sweep/schema.ts';
import { requeueTask, submitJob } from '../sweep/slurm.ts';
import { statusOf, statusTable } from '../sweep/status.ts';
import { goOnWithComparison, printComparison, startComparison, type TableOptions } from './compare.ts';
import { type ManyRunsOptions, shown } from './shared.ts';

export interface SweepOptions extends SettingOptions, ManyRunsOptions, TableOptions {}

/** Trains the runs of a file; where its folder has them already, those that are left. */
export async function sweep(file: string, { out, parallel, sort, ...options }: SweepOptions): Promise<void> {
  const { comparison, folder, isNew } = await planned(file, readSweepFile(file), options, out);
  if (isNew) await startComparison('sweep', comparison, { out: folder, parallel, sort });
  else await goOnWithComparison(folder, comparison, { parallel, sort });
}

/** The runs of a file and their folder, which is new or has those runs. */
async function planned(
  file: string,
  written: SweepFile,
  options: SettingOptions,
  out: string | undefined,
): Promise<{ readonly comparison: Comparison; readonly folder: string; readonly isNew: boolean }> {
  const comparison = expandSweep(written, options, file);
  const folder = out ?? join('runs', basename(file, extname(file)));
  const known = await readComparison(folder);
  if (known !== null) checkSame(folder, known, file, comparison);
  return { comparison, folder, isNew: known === null };
}

/** Where a run computes may be another place each time. */
function decidedBy(settings: Settings): Map<string, string> {
  const { device: _device, threads: _threads, ...decided } = settings;
  return new Map(leavesOf(decided).map(([path, leaf]) => [path, JSON.stringify(leaf)]));
}

/** @throws UsageError where a folder has other runs than a file */
function checkSame(folder: string, known: Comparison, file: string, wanted: Comparison): void {
  const fail = (what: string): never => {
    throw new UsageError(
      `${folder} has other runs than ${file}: ${what}. Choose another --out for these, or go on with what is there: ` +
        `pnpm trainer resume ${shown(folder)}`,
    );
  };
  for (const name of known.runs.keys()) if (!wanted.runs.has(name)) fail(`${name} is not in the file`);
  for (const [name, settings] of wanted.runs) {
    const before = known.runs.get(name);
    if (before === undefined) {
      fail(`${name} is not in the folder`);
      continue;
    }
    const [was, is] = [decidedBy(before), decidedBy(settings)];
    const path = [...was.keys(), ...is.keys()].find((each) => was.get(each) !== is.get(each));
    if (path !== undefined) {
      fail(`${path} of ${name} is ${was.get(path) ?? 'nothing'} there, now ${is.get(path) ?? 'nothing'}`);
    }
  }
}

export interface SubmitOptions extends SettingOptions, Omit<SlurmSettings, 'setup'> {
  readonly out?: string;
  /** The scheduler: there is one. */
  readonly slurm?: true;
}

/** Submits the runs of a file that are neither finished nor in the queue as one job array. */
export async function submit(file: string, { out, slurm, ...given }: SubmitOptions): Promise<void> {
  if (slurm === undefined) throw new UsageError('name the scheduler to submit to: --slurm');
  const { partition, account, time, memory, cpus, gpus, parallel, notice, ...options } = given;
  const flags = { partition, account, time, memory, cpus, gpus, parallel, notice };
  const written = readSweepFile(file);
  const named = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  const settings = checkSlurm({ ...written.slurm, ...named }, file);
  const { comparison, folder, isNew } = await planned(file, written, options, out);
  const [first] = comparison.runs.values();
  const progress = createProgress(process.stderr, process.env);
  // Faults of the text are told before anything is queued, and a tokenizer is trained once: tasks find it in the cache.
  await loadTokens(first!, progress);
  progress.end();
  if (isNew) await createComparison(folder, comparison);
  const states = await statusOf(folder, comparison);
  const left = states.flatMap(({ state }, number) =>
    state === 'done' || state === 'queued' || state === 'running' ? [] : [number],
  );
  if (left.length === 0) {
    console.log(`nothing to submit: all runs of ${shown(folder)} are done, running or queued`);
    return;
  }
  const job = await submitJob(basename(folder), folder, left, settings);
  console.log(
    `job ${job}: ${left.length} of ${states.length} runs. How far they are: pnpm trainer sweep status ${shown(folder)}`,
  );
}

/** Trains a run of a folder as a task of a job array. */
export async function runTask(folder: string, number: number): Promise<void> {
  const comparison = await comparisonIn(folder);
  const run = plannedRuns(folder, comparison)[number];
  if (run === undefined) throw new UsageError(`${folder} has ${comparison.runs.size} runs; there is no run ${number}`);
  const { SLURM_CPUS_PER_TASK: ofTask, SLURM_CPUS_ON_NODE: ofNode } = process.env;
  const progress = createProgress(process.stderr, process.env);
  const sessions = new Sessions(progress, await joinRanks());
  let isOutOfTime = false;
  const interrupt = listenForInterrupt((signal) => {
    isOutOfTime = signal === 'SIGUSR1';
    progress.note(`${signal}: stopping after this step`);
  });
  try {
    const threads = Number(ofTask ?? ofNode) || null;
    const outcome = await trainOne(run, () => sessionOf(sessions, run, threads), interrupt.signal);
    progress.end();
    if (outcome.kind === 'failed') throw new Error(outcome.reason);
    if (outcome.kind === 'busy') throw new Error(`another process works on ${join(folder, run.name)}`);
    if (outcome.kind === 'finished') return;
    progress.note(`stopped and saved ${run.name}`);
    process.exitCode = INTERRUPTED;
    // Preempted jobs are requeued by Slurm itself, those at their limit are not.
    if (isOutOfTime) await requeueTask(process.env);
  } finally {
    interrupt.stop();
    await sessions.close();
  }
}

/** Prints how far the runs of a folder are. */
export async function printStatus(folder: string): Promise<void> {
  console.log(tableText(statusTable(await statusOf(folder, await comparisonIn(folder), noteSilence))));
}

function noteSilence(reason: string): void {
  console.error(
    `note: Slurm does not answer (${reason.replaceAll('\n', '; ')}); states are those that the folder knows`,
  );
}

/** Sets the finished runs of a folder side by side. */
export async function collect(folder: string, { sort }: TableOptions): Promise<void> {
  const comparison = await comparisonIn(folder);
  const unfinished = (await statusOf(folder, comparison, noteSilence)).filter(({ state }) => state !== 'done');
  const left = new Map(unfinished.map(({ name, state, reason }) => [name, reason ?? state]));
  const finished = await setSideBySide(folder, comparison, left, (sentence) => console.error(sentence));
  printComparison(folder, finished, sort, 'are not finished; on this machine they go on with');
}

/** @throws UsageError where there is none */
async function comparisonIn(folder: string): Promise<Comparison> {
  const comparison = await readComparison(folder);
  if (comparison !== null) return comparison;
  throw new UsageError(`${folder} holds no sweep; give the folder that "trainer sweep FILE" made`);
}
