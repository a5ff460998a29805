/** Slurm: the job array of a sweep, and what the cluster says of its tasks. */
import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { makeFolder, readText } from '@lpr/guard';
import { hasCode, SWEEP_FILES, writeWhole } from '@lpr/runs';
import { z } from 'zod';
import { UsageError } from '../cli/errors.ts';
import { nodeCommand } from '../pool/node-command.ts';
import { loadedFiles } from '../settings/custom-routers.ts';
import type { SlurmSettings } from './schema.ts';

/** Seconds before the limit at which a run is told to save, unless the settings say. */
const NOTICE = 120;

/**
 * The script of a job array. A task is the run of its number in the order of the sweep; before its limit, and when it
 * is preempted, it saves, is requeued, and goes on.
 *
 * @param folder of the sweep, absolute
 * @param tasks numbers of runs, ascending
 * @param routers files of routers from outside, absolute
 */
export function jobScript(
  name: string,
  folder: string,
  tasks: readonly number[],
  settings: SlurmSettings,
  routers: readonly string[] = [],
): string {
  const { partition, account, time, memory, cpus, gpus, parallel, notice = NOTICE, setup = [] } = settings;
  const options = Object.entries({
    'job-name': name,
    array: `${rangesText(tasks)}${parallel === undefined ? '' : `%${parallel}`}`,
    ...{ partition, account, time, mem: memory, 'cpus-per-task': cpus, gpus },
    output: join(folder.replaceAll('%', '%%'), SWEEP_FILES.slurm, '%a.log'),
    'open-mode': 'append',
    signal: `B:USR1@${notice}`,
  }).flatMap(([option, value]) => (value === undefined ? [] : [`#SBATCH --${option}=${optionText(String(value))}`]));
  const { execArgv, file } = nodeCommand('main');
  const named = routers.length === 0 ? [] : ['--router', routers.join(',')];
  const words = [process.execPath, ...execArgv, file, 'sweep', 'task', ...named, folder].map(shellText);
  return [
    '#!/bin/sh',
    ...options,
    '#SBATCH --requeue',
    ...setup,
    // In place of the shell, so that signals reach it.
    `exec ${words.join(' ')} "$SLURM_ARRAY_TASK_ID"`,
    '',
  ].join('\n');
}

/** "0-2,5" */
export function rangesText(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

function optionText(value: string): string {
  return /^[\w./%:=@,+-]+$/.test(value) ? value : `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
}

function shellText(word: string): string {
  return /^[\w./:=@,+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

const jobsSchema = z.strictObject({ jobs: z.array(z.string()) });

function jobsFile(folder: string): string {
  return join(folder, SWEEP_FILES.slurm, 'jobs.json');
}

/** Numbers of the jobs of a sweep, the first one first; none where it was never submitted. */
export async function jobsOf(folder: string): Promise<readonly string[]> {
  const path = jobsFile(folder);
  try {
    return jobsSchema.parse(JSON.parse(await readText(path, 2 ** 20))).jobs;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw new Error(`${path} is damaged (${String(error)}); remove it where no job of this sweep is queued`, {
      cause: error,
    });
  }
}

/**
 * Writes and submits a job array.
 *
 * @returns its number
 * @throws UsageError where there is no Slurm, or it refuses the job
 */
export async function submitJob(
  name: string,
  folder: string,
  tasks: readonly number[],
  settings: SlurmSettings,
): Promise<string> {
  const script = join(folder, SWEEP_FILES.slurm, 'job.sh');
  await makeFolder(join(folder, SWEEP_FILES.slurm));
  await writeWhole(script, jobScript(name, resolve(folder), tasks, settings, loadedFiles()));
  const printed = await slurm('sbatch', ['--parsable', script]);
  // A cluster may follow behind a semicolon.
  const job = printed.trim().split(';')[0]!;
  await writeWhole(jobsFile(folder), `${JSON.stringify({ jobs: [...(await jobsOf(folder)), job] })}\n`);
  return job;
}

/**
 * Puts the task that a process is back into the queue. By the number of its job alone it could be all of the array.
 *
 * @param environment of the process, as Slurm sets it; without a task there is nothing to put back
 * @throws UsageError where Slurm refuses
 */
export async function requeueTask(environment: NodeJS.ProcessEnv): Promise<void> {
  const { SLURM_ARRAY_JOB_ID: job, SLURM_ARRAY_TASK_ID: task } = environment;
  if (job !== undefined && task !== undefined) await slurm('scontrol', ['requeue', `${job}_${task}`]);
}

const run = promisify(execFile);

async function slurm(command: string, parameters: readonly string[]): Promise<string> {
  try {
    return (await run(command, [...parameters], { maxBuffer: 2 ** 26 })).stdout;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) {
      throw new UsageError(
        `there is no Slurm here (${command} is not found); "trainer sweep FILE" trains on this machine`,
      );
    }
    const { stderr = '' } = error as { stderr?: string };
    throw new UsageError(`${command} ${parameters.join(' ')}: ${stderr.trim() || String(error)}`);
  }
}

/** What Slurm says of a task. */
export interface TaskState {
  /** PENDING, RUNNING, COMPLETED, FAILED, TIMEOUT, ... */
  readonly state: string;
  /** Why it waits, or how it ended. */
  readonly reason: string;
}

/**
 * What Slurm says of the tasks of jobs, by the numbers of their runs; of a run in several jobs the last one counts.
 * What is in the queue says `squeue`; what is not any more `sacct`, or, where no accounts are kept, `scontrol` for some
 * minutes.
 *
 * @throws UsageError where Slurm does not answer
 */
export async function taskStates(jobs: readonly string[]): Promise<Map<number, TaskState>> {
  const states = new Map<number, TaskState>();
  for (const job of jobs) {
    const ended = await endedTasks(job);
    const queued = await ofJob('squeue', ['--noheader', '--array', `--jobs=${job}`, '--format=%K|%T|%r']);
    for (const [task, state] of [...ended, ...parseTasks(queued)]) states.set(task, state);
  }
  return states;
}

async function endedTasks(job: string): Promise<Map<number, TaskState>> {
  const accounts = ['--noheader', '--allocations', '--array', '--parsable2', `--jobs=${job}`];
  try {
    return parseAccounts(await slurm('sacct', [...accounts, '--format=JobID,State,ExitCode']));
  } catch {
    return parseRecords(await ofJob('scontrol', ['show', 'job', job, '--oneliner']));
  }
}

/** What a program says of a job; nothing of one that it does not know any more. */
async function ofJob(command: string, parameters: readonly string[]): Promise<string> {
  return await slurm(command, parameters).catch((error: unknown) => {
    if (/invalid job id/i.test(String(error))) return '';
    throw error;
  });
}

/** Lines of `squeue`: "3|PENDING|Resources". */
export function parseTasks(text: string): Map<number, TaskState> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const [task = '', state, reason = ''] = line.split('|');
      return /^\d+$/.test(task) && state !== undefined ? [[Number(task), { state, reason }] as const] : [];
    }),
  );
}

/** Lines of `sacct`: "12_3|CANCELLED by 0|0:15". */
export function parseAccounts(text: string): Map<number, TaskState> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const [job = '', state = '', code = ''] = line.split('|');
      const task = /^\d+_(\d+)$/.exec(job)?.[1];
      return task === undefined ? [] : [[Number(task), endOf(state.split(' ')[0]!, code)] as const];
    }),
  );
}

/** Lines of `scontrol show job --oneliner`. */
export function parseRecords(text: string): Map<number, TaskState> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const field = (name: string): string | undefined => new RegExp(`(?:^| )${name}=(\\S*)`).exec(line)?.[1];
      const task = field('ArrayTaskId') ?? '';
      if (!/^\d+$/.test(task)) return [];
      return [[Number(task), endOf(field('JobState') ?? '', field('ExitCode') ?? '')] as const];
    }),
  );
}

function endOf(state: string, code: string): TaskState {
  return { state, reason: `Slurm: ${state}${code === '' || code === '0:0' ? '' : `, exit code ${code}`}` };
}
