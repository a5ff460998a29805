/** What happens to a run must not change how it ends: a full disk, two processes at once. Kills: faults.soak.ts. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { cleanUp, runTrainer, startTrainer } from './end-to-end-cli.ts';
import { decided } from './faults/decided.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-faults-test-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

const MINUTE = 60_000;

it('a full disk is a clear error that leaves the checkpoint before, and no part of another', {
  timeout: 3 * MINUTE,
}, async () => {
  const args = ['train', '--preset', 'tiny', '--steps', '12', '--set', 'training.checkpointEvery=6'];
  const whole = join(work, 'whole');
  expect((await runTrainer([...args, '--out', whole])).code).toBe(0);
  const full = join(work, 'full');
  // More than the model takes, less than the optimiser's moments.
  const { code, stderr } = await startTrainer([...args, '--out', full], tmpdir(), { fileBytes: 600_000 }).outcome;
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /error: cannot write the checkpoint .*step-000006 .*no room on the disk.*Make room, then resume/,
  );
  expect(readdirSync(join(full, 'checkpoints'))).toEqual([]);
  expect(existsSync(join(full, 'lock'))).toBe(false);
  expect((await runTrainer(['resume', full])).code).toBe(0);
  expect(decided(full)).toEqual(decided(whole));
});

it('one process at a time works on a run', { timeout: 3 * MINUTE }, async () => {
  const run = join(work, 'shared');
  const first = startTrainer(['train', '--preset', 'tiny', '--steps', '20000', '--out', run]);
  while (first.child.exitCode === null && !existsSync(join(run, 'metrics.jsonl'))) await setTimeout(5);
  const late = await runTrainer(['resume', run]);
  expect(late.code).toBe(1);
  expect(late.stderr).toContain(`in use by process ${first.child.pid}`);
  first.child.kill('SIGKILL');
  await first.outcome;
  // Both find the lock of a process that is gone; one takes it over.
  const rivals = [startTrainer(['resume', run]), startTrainer(['resume', run])];
  const loser = await Promise.race(rivals.map(({ outcome }) => outcome));
  expect(loser.code).toBe(1);
  expect(loser.stderr).toContain('in use by process');
  const winner = rivals.find(({ child }) => child.exitCode === null)!;
  // Until it trains there is nothing to save, and a signal ends it at once.
  const since = Date.now();
  while (winner.child.exitCode === null && statSync(join(run, 'metrics.jsonl')).mtimeMs <= since) await setTimeout(5);
  winner.child.kill('SIGINT');
  expect((await winner.outcome).code).toBe(130);
  expect(existsSync(join(run, 'lock'))).toBe(false);
});

it('of several that start at once without --out each has a folder of its own', { timeout: 3 * MINUTE }, async () => {
  const cwd = join(work, 'at-once');
  mkdirSync(cwd);
  const args = ['train', '--preset', 'tiny', '--steps', '2'];
  const all = await Promise.all(Array.from({ length: 3 }, () => startTrainer(args, cwd).outcome));
  expect(all.map(({ code, stderr }) => (code === 0 ? '' : stderr))).toEqual(['', '', '']);
  const folders = readdirSync(join(cwd, 'runs')).toSorted();
  expect(folders).toEqual(['train-1', 'train-2', 'train-3']);
  for (const name of folders) expect(existsSync(join(cwd, 'runs', name, 'config.yaml'))).toBe(true);
  // A number that came to nothing is free again.
  const { code } = await startTrainer([...args, '--set', 'data.sources=[{type: text, paths: [none]}]'], cwd).outcome;
  expect(code).toBe(1);
  expect(readdirSync(join(cwd, 'runs')).toSorted()).toEqual(folders);
});
