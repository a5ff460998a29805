/** A process that may not have what it asks for says so by name, loses nothing, and goes on where it can. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { cleanUp, runTrainer, startTrainer } from './end-to-end-cli.ts';
import { decided } from './faults/decided.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-limits-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

const MINUTE = 60_000;
const GIB_OF_ADDRESSES = 1024 ** 2;

/** The trainer in a process that may have so many addresses. */
function withAddresses(
  gib: number,
  args: readonly string[],
  flags: readonly string[] = [],
): ReturnType<typeof startTrainer> {
  return startTrainer(args, work, { under: `ulimit -v ${gib * GIB_OF_ADDRESSES}`, flags });
}

// What a process may have is told in these units by Linux alone.
describe.skipIf(process.platform !== 'linux')('a process short of', () => {
  it('addresses is told what takes them and how to do with less', { timeout: 3 * MINUTE }, async () => {
    const args = ['train', '--preset', 'tiny', '--steps', '2', '--threads', '1', '--out', 'few'];
    const { code, stderr } = await withAddresses(6, args).outcome;
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/error: device wasm, threads 1: .*no memory.*ulimit -v.*--disable-wasm-trap-handler/),
    ]);
    expect(existsSync(join(work, 'few'))).toBe(false);
    const { code: exit, stderr: said } = await withAddresses(12, args, ['--disable-wasm-trap-handler']).outcome;
    expect(exit, said).toBe(0);
  });

  it('open files ends with the same bits', { timeout: 3 * MINUTE }, async () => {
    const args = ['train', '--preset', 'tiny', '--steps', '400', '--set', 'training.checkpointEvery=40'];
    expect((await runTrainer([...args, '--out', join(work, 'many')])).code).toBe(0);
    const few = join(work, 'few-files');
    const { child, outcome } = startTrainer([...args, '--out', few]);
    while (child.exitCode === null && !existsSync(join(few, 'metrics.jsonl'))) await setTimeout(5);
    limitFiles(child.pid!);
    const { code, stderr } = await outcome;
    expect(code, stderr).toBe(0);
    expect(decided(few)).toEqual(decided(join(work, 'many')));
  });
});

/** To 64, fewer than Node needs to load a program: of a process that has loaded its own. */
function limitFiles(pid: number): void {
  execFileSync('prlimit', ['--pid', String(pid), '--nofile=64:64']);
}
