/** A sweep on a cluster: a job array whose tasks are preempted, reach their limit and are killed. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { readSummary } from '@lpr/runs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanUp, type Outcome, runTrainer } from './end-to-end-cli.ts';
import { decided } from './faults/decided.ts';
import { type Cluster, hasSlurm, startCluster } from './slurm/cluster.ts';

if (!hasSlurm) console.warn('skipped: there is no Slurm here (Debian: apt-get install slurm-wlm munge)');

const work = mkdtempSync(join(tmpdir(), 'lpr-slurm-sweep-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

const TIMEOUT = 400_000;

it('without Slurm a submission says so, before anything is queued', async () => {
  const file = write('nowhere.yaml', 'seeds: 2\n');
  const folder = join(work, 'nowhere');
  const { code, stderr } = await runTrainer(['sweep', 'submit', file, '--slurm', '--out', folder], work, {
    PATH: join(work, 'no programs'),
  });
  expect(stderr).toContain('error: there is no Slurm here (sbatch is not found)');
  expect(code).toBe(1);
  expect((await runTrainer(['sweep', 'submit', file, '--out', folder])).stderr).toContain('--slurm');
});

it('where Slurm does not answer a folder says what it knows, and a submission fails', {
  timeout: TIMEOUT,
}, async () => {
  const [file, folder] = [write('silent.yaml', 'seeds: 2\n'), join(work, 'silent')];
  expect((await runTrainer(['sweep', file, '--steps', '2', '--out', folder])).code).toBe(0);
  rmSync(join(folder, 'base-1', 'evaluations.jsonl'));
  mkdirSync(join(folder, 'slurm'));
  writeFileSync(join(folder, 'slurm', 'jobs.json'), '{"jobs":["12"]}\n');
  const ask = async (...args: readonly string[]): Promise<Outcome> =>
    await runTrainer(['sweep', ...args], work, { PATH: join(work, 'no programs') });
  const note = /^note: Slurm does not answer \(there is no Slurm here .*\); states are those that the folder knows$/m;
  const status = await ask('status', folder);
  expect([status.code, status.stderr]).toEqual([0, expect.stringMatching(note)]);
  expect(status.stdout).toContain('2 runs: 1 done, 1 stopped');
  const collected = await ask('collect', folder);
  expect(collected.stderr).toMatch(note);
  expect(collected.stderr).toMatch(/1 of 2 runs are not finished; .*resume .*silent\n- base-1: stopped/);
  expect(collected.stdout).toContain('test loss');
  // It would queue what is queued already.
  const submitted = await ask('submit', file, '--steps', '2', '--slurm', '--out', folder);
  expect([submitted.code, submitted.stdout]).toEqual([1, '']);
});

describe.skipIf(!hasSlurm)('on a cluster', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster();
  }, TIMEOUT);
  afterAll(async () => await cluster.end(), TIMEOUT);

  const trainer = async (...args: readonly string[]): Promise<Outcome> =>
    await runTrainer(args, work, cluster.environment);

  it(
    'a job array trains what is left, requeued and killed, with the bits of runs alone',
    async () => {
      const file = write('array.yaml', 'seeds: 2\nslurm: { time: "30", cpus: 1 }\n');
      const folder = join(work, 'array');
      const submitted = await trainer('sweep', 'submit', file, '--slurm', '--out', folder, '--parallel', '1');
      expect(submitted.stderr).not.toContain('error');
      const [, job] = /job (\d+): 2 of 2 runs/.exec(submitted.stdout)!;
      const [first, second] = [join(folder, 'base-0'), join(folder, 'base-1')];

      // Preempted: it saves, and is put back into the queue.
      await until(() => hasSteps(first));
      await cluster.command('scontrol', 'requeue', `${job}_0`);
      await until(async () => (await statusOf(folder, 'base-0')) === 'queued');
      expect(logOf(folder, 0)).toContain('stopped and saved base-0');
      expect(existsSync(join(first, 'lock'))).toBe(false);
      const saved = readFileSync(join(first, 'metrics.jsonl'), 'utf8').length;

      // At its limit: it saves, and puts itself back.
      await until(() => hasSteps(second));
      await cluster.command('scancel', '--signal=USR1', '--batch', `${job}_1`);
      await until(async () => (await statusOf(folder, 'base-1')) === 'queued');
      expect(logOf(folder, 1)).toContain('SIGUSR1: stopping after this step');
      // It alone: the first task has been put back once.
      expect(logOf(folder, 1)).not.toContain('error: scontrol');
      expect(logOf(folder, 0).match(/DUE TO JOB REQUEUE/g)).toHaveLength(1);

      // Killed: it has failed, until the sweep is submitted again.
      await startNow(job!, 0);
      await until(() => isLocked(first) && readFileSync(join(first, 'metrics.jsonl'), 'utf8').length > saved);
      const { pid } = JSON.parse(readFileSync(join(first, 'lock'), 'utf8')) as { pid: number };
      process.kill(pid, 'SIGKILL');
      await until(async () => (await statusOf(folder, 'base-0')) === 'failed');
      expect((await trainer('sweep', 'status', folder)).stdout).toMatch(/base-0: Slurm: FAILED, exit code 0:9/);
      const collected = await trainer('sweep', 'collect', folder);
      expect([collected.code, collected.stderr]).toEqual([1, expect.stringContaining('base-0: Slurm: FAILED')]);
      const again = await trainer('sweep', 'submit', file, '--slurm', '--out', folder);
      expect(again.stdout).toMatch(/job \d+: 1 of 2 runs/);
      await startNow(job!, 1);

      await until(async () => (await trainer('sweep', 'status', folder)).stdout.includes('2 runs: 2 done'));
      const table = await trainer('sweep', 'collect', folder);
      expect([table.code, table.stdout]).toEqual([0, expect.stringContaining('means over 2 seeds (0, 1)')]);
      expect((await readSummary(folder)).models.map(({ name }) => name)).toEqual(['base-0', 'base-1']);
      expect((await trainer('sweep', 'submit', file, '--slurm', '--out', folder)).stdout).toContain(
        'nothing to submit',
      );

      const alone = join(work, 'alone');
      await trainer('sweep', file, '--out', alone);
      for (const name of ['base-0', 'base-1']) {
        expect(finalOf(join(folder, name))).toEqual(finalOf(join(alone, name)));
      }
    },
    TIMEOUT,
  );

  /** A job that was requeued waits for two minutes otherwise. */
  async function startNow(job: string, task: number): Promise<void> {
    await cluster.command('scontrol', 'update', `JobId=${job}_${task}`, 'StartTime=now');
  }

  async function statusOf(folder: string, run: string): Promise<string | undefined> {
    const { stdout } = await trainer('sweep', 'status', folder);
    return new RegExp(`^${run} +(\\w+)`, 'm').exec(stdout)?.[1];
  }
});

function write(name: string, text: string): string {
  const path = join(work, name);
  writeFileSync(
    path,
    `preset: tiny
settings:
  training: { steps: 600, checkpointEvery: 150, logEvery: 10, calibration: null }
  evaluation: { tokens: 512, traceTokens: 0 }
${text}`,
  );
  return path;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await setTimeout(50);
}

function hasSteps(run: string): boolean {
  const path = join(run, 'metrics.jsonl');
  return isLocked(run) && existsSync(path) && readFileSync(path, 'utf8').includes('\n');
}

function isLocked(run: string): boolean {
  return existsSync(join(run, 'lock'));
}

function logOf(folder: string, task: number): string {
  return readFileSync(join(folder, 'slurm', `${task}.log`), 'utf8');
}

/** What the settings decide; the checkpoints of a stop may be among those that are kept. */
function finalOf(run: string): Record<string, string> {
  const files = Object.entries(decided(run));
  return Object.fromEntries(files.filter(([file]) => !file.startsWith('checkpoints') || file.includes('step-000600')));
}
