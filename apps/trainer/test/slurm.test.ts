import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { checkSlurm } from '../src/sweep/expand.ts';
import { jobScript, jobsOf, parseAccounts, parseRecords, parseTasks, rangesText } from '../src/sweep/slurm.ts';
import { type RunStatus, statusTable, withTask } from '../src/sweep/status.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-slurm-'));
afterAll(() => rmSync(work, { recursive: true }));

describe('a job array', () => {
  it('names its tasks in ranges, each once', () => {
    expect(rangesText([0, 1, 2, 5, 7, 8])).toBe('0-2,5,7-8');
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(60), { minLength: 1 }), (numbers) => {
        const ascending = numbers.toSorted((a, b) => a - b);
        const read = rangesText(ascending)
          .split(',')
          .flatMap((part) => {
            const [first, last = first] = part.split('-').map(Number) as [number, number?];
            return Array.from({ length: last - first + 1 }, (_, i) => first + i);
          });
        expect(read).toEqual(ascending);
      }),
    );
  });

  it('has what it was given, and quotes what is no plain word', () => {
    const script = jobScript('my sweep', "/home/it's 50%/runs", [0, 2], {
      ...{
        partition: 'short',
        account: 'lab',
        time: '04:00:00',
        memory: '8G',
        cpus: 4,
        gpus: 1,
        parallel: 3,
        notice: 60,
      },
      setup: ['module load node'],
    });
    const lines = script.split('\n');
    expect(lines[0]).toBe('#!/bin/sh');
    expect(lines.filter((line) => line.startsWith('#SBATCH')).map((line) => line.slice('#SBATCH --'.length))).toEqual([
      'job-name="my sweep"',
      'array=0,2%3',
      'partition=short',
      'account=lab',
      'time=04:00:00',
      'mem=8G',
      'cpus-per-task=4',
      'gpus=1',
      `output="/home/it's 50%%/runs/slurm/%a.log"`,
      'open-mode=append',
      'signal=B:USR1@60',
      'requeue',
    ]);
    expect(lines.at(-3)).toBe('module load node');
    expect(lines.at(-2)).toMatch(/^exec .* sweep task '\/home\/it'\\''s 50%\/runs' "\$SLURM_ARRAY_TASK_ID"$/);
    expect(jobScript('a', '/b', [1], {})).toContain('#SBATCH --array=1\n');
    expect(jobScript('a', '/b', [1], {}, ['/my own.ts', '/r.ts'])).toContain(
      "sweep task --router '/my own.ts,/r.ts' /b ",
    );
  });

  it.each([
    [{ time: 'long' }, 'slurm.time: got "long", expected a time as Slurm has it'],
    [{ memory: '8 GB' }, 'slurm.memory: got "8 GB", expected a size as Slurm has it, such as 8G'],
    [{ partition: 'a\n#SBATCH --uid=0' }, 'slurm.partition: got'],
    [{ setup: ['a\nb'] }, 'slurm.setup.0: got "a\\nb", expected a line'],
    [{ cpus: 0 }, 'slurm.cpus: got 0, expected a number of at least 1'],
    [{ partitions: 'a' }, 'unknown setting "partitions"'],
  ])('is refused what is none of its settings: %j', (settings, message) => {
    expect(() => checkSlurm(settings, 'a.yaml')).toThrow(message);
  });

  it('is known by its number, where it was submitted', async () => {
    expect(await jobsOf(join(work, 'none'))).toEqual([]);
    mkdirSync(join(work, 'slurm'));
    writeFileSync(join(work, 'slurm', 'jobs.json'), '{"jobs":["12"]}');
    expect(await jobsOf(work)).toEqual(['12']);
    writeFileSync(join(work, 'slurm', 'jobs.json'), '{"jobs":[');
    await expect(jobsOf(work)).rejects.toThrow(/jobs\.json is damaged/);
  });
});

describe('what Slurm says of tasks', () => {
  it('is read of all three programs', () => {
    expect([...parseTasks('0|RUNNING|None\n11|PENDING|Resources\n\nN/A|RUNNING|None\n')]).toEqual([
      [0, { state: 'RUNNING', reason: 'None' }],
      [11, { state: 'PENDING', reason: 'Resources' }],
    ]);
    expect([...parseAccounts('12_3|CANCELLED by 0|0:15\n12_4|COMPLETED|0:0\n12_[5-9]|PENDING|0:0\n')]).toEqual([
      [3, { state: 'CANCELLED', reason: 'Slurm: CANCELLED, exit code 0:15' }],
      [4, { state: 'COMPLETED', reason: 'Slurm: COMPLETED' }],
    ]);
    const record = 'JobId=2 ArrayJobId=1 ArrayTaskId=4 JobName=a JobState=TIMEOUT Reason=TimeLimit ExitCode=0:9 A=b';
    expect([...parseRecords(`${record}\nJobId=1 ArrayTaskId=5-7 JobState=PENDING`)]).toEqual([
      [4, { state: 'TIMEOUT', reason: 'Slurm: TIMEOUT, exit code 0:9' }],
    ]);
  });

  it('goes over what a folder says of a run that is not done', () => {
    const run: RunStatus = {
      ...{ name: 'a', state: 'running', step: 4, steps: 8, testLoss: null, tokensPerSecond: 10, secondsLeft: 5 },
      reason: null,
    };
    const of = (state: string, before: Partial<RunStatus> = {}) =>
      withTask({ ...run, ...before }, { state, reason: `Slurm: ${state}` });
    expect(of('PENDING')).toMatchObject({ state: 'queued', secondsLeft: null });
    expect(of('RUNNING', { state: 'waiting' }).state).toBe('running');
    // Its lock was left on another host.
    expect(of('OUT_OF_MEMORY')).toMatchObject({ state: 'failed', reason: 'Slurm: OUT_OF_MEMORY' });
    expect(of('FAILED', { state: 'failed', reason: 'the loss is NaN' }).reason).toBe('the loss is NaN');
    expect(of('CANCELLED').state).toBe('stopped');
    expect(of('CANCELLED', { state: 'waiting' }).state).toBe('waiting');
    expect(of('FAILED', { state: 'done' }).state).toBe('done');
    expect(withTask(run, undefined)).toBe(run);
    expect(statusTable([run, of('PENDING')]).title).toBe('2 runs: 1 running, 1 queued');
  });
});
