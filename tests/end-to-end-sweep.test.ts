/** Sweeps from the command line: killed, stopped, in several processes, with runs that fail. */
import type { ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { finalEvaluation, readEvaluations, readSummary } from '@lpr/runs';
import { afterAll, describe, expect, it } from 'vitest';
import { cleanUp, runTrainer, startTrainer } from './end-to-end-cli.ts';
import { decided } from './faults/decided.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-sweep-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

const TIMEOUT = 300_000;

/** As small as runs can be that have checkpoints between their steps. */
const SMALL = `preset: tiny
settings:
  training: { steps: 8, checkpointEvery: 2, logEvery: 2, calibration: null }
  evaluation: { tokens: 512, traceTokens: 0 }
`;

function write(name: string, text: string): string {
  const path = join(work, name);
  writeFileSync(path, SMALL + text);
  return path;
}

/** Runs that are finished. */
async function finishedRuns(folder: string): Promise<string[]> {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const finished: string[] = [];
  for (const name of names) {
    if (!existsSync(join(folder, name, 'evaluations.jsonl'))) continue;
    const lines = await readEvaluations(join(folder, name));
    if (finalEvaluation(lines) !== undefined) finished.push(name);
  }
  return finished;
}

/** What changes when a run is trained again. */
function traces(folder: string, names: readonly string[]): Record<string, readonly number[]> {
  const of = (path: string): number[] => {
    const { ino, mtimeMs, size } = statSync(path);
    return [ino, mtimeMs, size];
  };
  return Object.fromEntries(
    names.map((name) => [
      name,
      ['metrics.jsonl', 'evaluations.jsonl', 'identity.json'].flatMap((file) => of(join(folder, name, file))),
    ]),
  );
}

async function ended(child: ChildProcess): Promise<boolean> {
  await setTimeout(5);
  return child.exitCode !== null || child.signalCode !== null;
}

describe('a sweep', () => {
  it(
    'of 12 runs survives three kill -9 of its driver, trains no finished run again, and gives the bits of runs alone',
    async () => {
      const file = write(
        'twelve.yaml',
        'grid: { router: [top-k, lpr], training.learningRate: [0.001, 0.01] }\nseeds: 3\n',
      );
      const whole = join(work, 'whole');
      const undisturbed = await runTrainer(['sweep', file, '--out', whole]);
      expect(undisturbed.stderr).not.toContain('error');
      expect(undisturbed.code).toBe(0);
      const names = Object.keys(decidedRuns(whole));
      expect(names).toHaveLength(12);

      const killed = join(work, 'killed');
      const start = () => startTrainer(['sweep', file, '--out', killed, '--parallel', '2', '--threads', '1']);
      for (let kills = 0; kills < 3; kills++) {
        const before = await finishedRuns(killed);
        const { child, outcome } = start();
        // At any moment after it has finished some more.
        while (!(await ended(child)) && (await finishedRuns(killed)).length < before.length + 2) await setTimeout(20);
        await setTimeout(Math.random() * 400);
        child.kill('SIGKILL');
        expect((await outcome).code).toBeNull();
        const finished = await finishedRuns(killed);
        expect(finished).toEqual(expect.arrayContaining(before));
        kept.push({ names: before, was: traces(killed, before) });
      }
      expect(existsSync(join(killed, 'summary.json'))).toBe(false);
      const { code, stdout, stderr } = await start().outcome;
      expect(stderr).not.toContain('error');
      expect(code).toBe(0);
      expect(stdout).toContain('means over 3 seeds (0, 1, 2)');
      for (const { names: each, was } of kept) expect(traces(killed, each)).toEqual(was);
      expect(decidedRuns(killed)).toEqual(decidedRuns(whole));
      expect(await readSummary(killed)).toMatchObject({
        settings: (await readSummary(whole)).settings,
      });

      const alone = join(work, 'alone');
      const [one] = names.filter((name) => name.startsWith('lpr')) as [string];
      expect((await runTrainer(['train', '--config', join(whole, one, 'config.yaml'), '--out', alone])).code).toBe(0);
      expect(decided(alone)).toEqual(decided(join(killed, one)));
    },
    TIMEOUT,
  );

  const kept: { readonly names: readonly string[]; readonly was: ReturnType<typeof traces> }[] = [];

  it(
    'keeps the reason of a run that fails, trains the others, and tries it again',
    async () => {
      const text = join(work, 'there.txt');
      const sentences = Array.from({ length: 400 }, (_, i) => `words ${i % 7} and so on. `.repeat(20)).join('\n\n');
      writeFileSync(text, sentences);
      const gone = join(work, 'gone.txt');
      const source = (path: string): string => `[{type: text, paths: [${path}]}]`;
      const file = write('failing.yaml', `grid: { data.sources: [${source(text)}, ${source(gone)}], seed: [0, 1] }\n`);
      const folder = join(work, 'failing');
      const { code, stderr, stdout } = await startTrainer(['sweep', file, '--out', folder, '--parallel', '2']).outcome;
      expect(code).toBe(1);
      expect(stderr).toMatch(/2 of 4 runs failed; they are tried again with: pnpm trainer resume .*failing/);
      expect(stderr).toMatch(/- sources=.*gone.*: .*gone\.txt/);
      expect(stdout).toContain('test loss');
      expect(existsSync(join(folder, 'summary.json'))).toBe(false);
      const status = await runTrainer(['sweep', 'status', folder]);
      expect(status.stdout).toContain('4 runs: 2 done, 2 failed');
      expect(status.stdout).toMatch(/sources=.*gone.*: .*gone\.txt/);
      const collected = await runTrainer(['sweep', 'collect', folder, '--sort', 'testLoss']);
      expect([collected.code, collected.stdout.includes('test loss')]).toEqual([1, true]);

      writeFileSync(gone, sentences);
      const again = await runTrainer(['resume', folder]);
      expect(again.code).toBe(0);
      expect(again.stdout).toContain('their losses are of other things');
      expect((await runTrainer(['sweep', 'status', folder])).stdout).toContain('4 runs: 4 done');
      expect((await runTrainer(['sweep', 'collect', folder, '--sort', 'loss'])).stderr).toContain(
        'unknown column "loss"',
      );
    },
    TIMEOUT,
  );

  it(
    'saves all its runs at Ctrl-C, and when one of its processes is killed goes on in another',
    async () => {
      const file = write('stopped.yaml', 'grid: { training.steps: [300] }\nseeds: 2\n');
      const folder = join(work, 'stopped');
      const { child, outcome } = startTrainer(['sweep', file, '--out', folder, '--parallel', '2']);
      const runs = ['steps=300-0', 'steps=300-1'];
      while (!(await ended(child)) && !runs.every((name) => existsSync(join(folder, name, 'metrics.jsonl')))) continue;
      expect((await runTrainer(['sweep', 'status', folder])).stdout).toContain('2 runs: 2 running');
      // A second driver keeps off.
      const second = await runTrainer(['sweep', file, '--out', folder]);
      expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('is in use by process')]);
      const { pid } = JSON.parse(readFileSync(join(folder, runs[0]!, 'lock'), 'utf8')) as { pid: number };
      expect(pid).not.toBe(child.pid);
      process.kill(pid, 'SIGKILL');
      while (!(await ended(child)) && !isHeldByAnother(join(folder, runs[0]!, 'lock'), pid)) continue;
      child.kill('SIGINT');
      const { code, stderr } = await outcome;
      expect(stderr).toContain('its process ended (SIGKILL)');
      expect(stderr).toContain('stopped and saved. Go on with: pnpm trainer resume');
      expect(code).toBe(130);
      for (const name of runs) {
        expect(readdirSync(join(folder, name, 'checkpoints'))).not.toEqual([]);
      }
      // A process that was stopped before it trained leaves its lock, which nobody holds.
      expect((await runTrainer(['sweep', 'status', folder])).stdout).toContain('2 runs: 2 stopped');
    },
    TIMEOUT,
  );

  it(
    'goes on with no other runs than it has, and with those of an earlier version',
    async () => {
      const folder = join(work, 'same');
      const of = (list: string): string => write('same.yaml', `grid: { seed: ${list} }\n`);
      expect((await runTrainer(['sweep', of('[0, 1]'), '--out', folder])).code).toBe(0);
      const other = await runTrainer(['sweep', of('[0, 2]'), '--out', folder]);
      expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('base-1 is not in the file')]);
      const longer = await runTrainer(['sweep', of('[0, 1]'), '--out', folder, '--steps', '9']);
      expect(longer.stderr).toContain('training.steps of base-0 is 8 there, now 9. Choose another --out');
      const earlier = join(work, 'earlier');
      cpSync(folder, earlier, { recursive: true });
      renameSync(join(earlier, 'sweep.yaml'), join(earlier, 'comparison.yaml'));
      rmSync(join(earlier, 'base-1'), { recursive: true });
      expect((await runTrainer(['resume', earlier, '--parallel', '2'])).code).toBe(0);
      expect(decidedRuns(earlier)).toEqual(decidedRuns(folder));
    },
    TIMEOUT,
  );
});

function isHeldByAnother(lock: string, pid: number): boolean {
  try {
    return (JSON.parse(readFileSync(lock, 'utf8')) as { pid: number }).pid !== pid;
  } catch {
    return false;
  }
}

/** Of each run what its settings decide; the checkpoints of a stop may be among those that are kept. */
function decidedRuns(folder: string): Record<string, Record<string, string>> {
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'config.yaml')));
  return Object.fromEntries(
    names.toSorted().map((name) => {
      const files = Object.entries(decided(join(folder, name)));
      const own = files.filter(([file]) => !file.startsWith('checkpoints') || file.includes('step-000008'));
      return [name, Object.fromEntries(own)];
    }),
  );
}
