/** How far the runs of a sweep are, read from their folders while others may train them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TableRecord } from '@lpr/report/tables';
import {
  filesIn,
  finalEvaluation,
  isLocked,
  type MetricsLine,
  overallTokensPerSecond,
  readEvaluations,
  readFailure,
  readMetrics,
  RUN_FILES,
} from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { formatSeconds } from '../cli/progress.ts';
import type { Comparison } from '../comparison/comparison.ts';
import type { Settings } from '../settings/schema.ts';
import { jobsOf, taskStates, type TaskState } from './slurm.ts';

export type RunState = 'done' | 'running' | 'queued' | 'failed' | 'stopped' | 'waiting';

/** A run as it is now. */
export interface RunStatus {
  readonly name: string;
  readonly state: RunState;
  /** Steps done, and steps of the whole run. */
  readonly step: number;
  readonly steps: number;
  /** Of the finished model. */
  readonly testLoss: number | null;
  /** Of the last windows, while it runs. */
  readonly tokensPerSecond: number | null;
  /** Of training, while it runs. */
  readonly secondsLeft: number | null;
  /** Why it failed. */
  readonly reason: string | null;
}

/**
 * The state of each run, in their order; of a sweep that was submitted with what the cluster says.
 *
 * @param onSilence told why the cluster does not answer, where what the folder knows is enough
 * @throws UsageError where it does not answer, and nobody is told
 */
export async function statusOf(
  folder: string,
  { runs }: Comparison,
  onSilence?: (reason: string) => void,
): Promise<RunStatus[]> {
  const tasks = await taskStates(await jobsOf(folder)).catch((error: unknown) => {
    if (onSilence === undefined || !(error instanceof UsageError)) throw error;
    onSilence(error.message);
    return new Map<number, TaskState>();
  });
  return await Promise.all(
    Array.from(runs).map(async ([name, settings], number) =>
      withTask(await runStatus(join(folder, name), name, settings), tasks.get(number)),
    ),
  );
}

const QUEUED = ['PENDING', 'CONFIGURING', 'REQUEUED', 'REQUEUE_HOLD', 'SUSPENDED', 'PREEMPTED'];
const RUNNING = ['RUNNING', 'COMPLETING', 'STAGE_OUT'];

/** A task that has ended may have left a lock on another host, and a queue knows of runs that have no folder yet. */
export function withTask(run: RunStatus, task: TaskState | undefined): RunStatus {
  if (task === undefined || run.state === 'done') return run;
  const none = { tokensPerSecond: null, secondsLeft: null };
  if (QUEUED.includes(task.state)) return { ...run, ...none, state: 'queued', reason: null };
  if (RUNNING.includes(task.state)) return { ...run, state: 'running', reason: null };
  if (task.state === 'CANCELLED' || task.state === 'COMPLETED') {
    return run.state === 'running' ? { ...run, ...none, state: 'stopped' } : run;
  }
  return { ...run, ...none, state: 'failed', reason: run.reason ?? task.reason };
}

async function runStatus(path: string, name: string, settings: Settings): Promise<RunStatus> {
  const { steps } = settings.training;
  const begun = existsSync(join(path, RUN_FILES.metrics));
  const metrics = begun ? await readMetrics(path) : [];
  const evaluations = existsSync(join(path, RUN_FILES.evaluations)) ? await readEvaluations(path) : [];
  const final = finalEvaluation(evaluations);
  const last = metrics.at(-1);
  const failure = await readFailure(path);
  const isRunning = await isLocked(filesIn(path));
  const state: RunState =
    final !== undefined ? 'done' : isRunning ? 'running' : failure !== null ? 'failed' : begun ? 'stopped' : 'waiting';
  const speed = state === 'running' ? recentTokensPerSecond(metrics) : null;
  const left = (steps - (last?.step ?? 0)) * tokensPerStep(settings);
  return {
    name,
    state,
    step: last?.step ?? 0,
    steps,
    testLoss: final?.loss ?? null,
    tokensPerSecond: speed,
    secondsLeft: speed === null ? null : left / speed,
    reason: state === 'failed' ? failure!.reason : null,
  };
}

/** Steps at the end of a run that its speed is told by: a run may have begun on another machine. */
const RECENT = 200;

/** That of the windows which end in the last steps, at least of the last window. */
function recentTokensPerSecond(metrics: readonly MetricsLine[]): number | null {
  const windows = metrics.filter(({ tokensPerSecond }) => tokensPerSecond !== undefined);
  const since = (metrics.at(-1)?.step ?? 0) - RECENT;
  const recent = windows.filter(({ step }) => step > since).length;
  const first = Math.max(0, windows.length - Math.max(1, recent));
  return overallTokensPerSecond(windows.slice(first), windows[first - 1]?.tokens);
}

function tokensPerStep({ data, training }: Settings): number {
  return training.accumulation * data.batchSize * data.sequenceLength;
}

/** The states as a table, with how many there are of each and the reasons of failures below. */
export function statusTable(all: readonly RunStatus[]): TableRecord {
  const count = (state: RunState): number => all.filter((run) => run.state === state).length;
  const counts = (['done', 'running', 'queued', 'failed', 'stopped', 'waiting'] as const)
    .filter((state) => count(state) > 0)
    .map((state) => `${count(state)} ${state}`);
  const isTimed = all.some(({ tokensPerSecond }) => tokensPerSecond !== null);
  return {
    title: `${all.length} runs: ${counts.join(', ')}`,
    columns: [
      { key: 'name', title: '' },
      { key: 'state', title: 'state' },
      { key: 'step', title: 'step', format: 'plain' },
      { key: 'testLoss', title: 'test loss', decimals: 4 },
      ...(isTimed
        ? [
            { key: 'speed', title: 'tokens/s', decimals: 0 },
            { key: 'left', title: 'time left', format: 'plain' as const },
          ]
        : []),
    ],
    rows: all.map(({ name, state, step, steps, testLoss, tokensPerSecond, secondsLeft }) => ({
      name,
      state,
      step: `${step}/${steps}`,
      ...(testLoss !== null && { testLoss }),
      ...(tokensPerSecond !== null && { speed: tokensPerSecond }),
      ...(secondsLeft !== null && { left: formatSeconds(secondsLeft) }),
    })),
    notes: all.flatMap(({ name, reason }) => (reason === null ? [] : [`${name}: ${reason}`])),
  };
}
