/** A process that may not have what it asks for says so by name, loses nothing, and goes on where it can. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { cleanUp, runTrainer, startTrainer, trainerCommand } from './end-to-end-cli.ts';
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

  it('open files for the clock of a time limit is told so, and lives on', async () => {
    const guard = pathToFileURL(join(import.meta.dirname, '../packages/guard/dist/index.js')).href;
    const program = `
      import { openSync } from 'node:fs';
      import { withinTime } from '${guard}';
      try { for (;;) openSync('/dev/null'); } catch {}
      try { withinTime(1000, 'reading it', () => {}); } catch (error) { console.log(error.message); }`;
    const words = ['-c', 'ulimit -n 256; exec "$0" --input-type=module -e "$1"', process.execPath, program];
    const { stdout } = await promisify(execFile)('/bin/sh', words);
    expect(stdout).toContain('reading it needs a few more open files than this process may have');
  });

  it('open files serves again once there are some', { timeout: 3 * MINUTE }, async () => {
    const run = join(work, 'served', 'one');
    expect((await runTrainer(['train', '--preset', 'tiny', '--steps', '1', '--out', run])).code).toBe(0);
    const { words, env } = trainerCommand('dashboard');
    const [node, ...main] = words;
    const server = spawn(node, [...main, 'serve', dirname(run), '--port', '0'], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const sockets: Socket[] = [];
    try {
      const [line] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string];
      const url = new URL(/http:\S+/.exec(line)![0]);
      expect((await fetch(url)).status).toBe(200);
      limitFiles(server.pid!);
      for (let i = 0; i < 200; i++) {
        const socket = connect(Number(url.port), '127.0.0.1').on('error', () => {});
        socket.write('GET /api/runs HTTP/1.1\r\n');
        sockets.push(socket);
      }
      await setTimeout(500);
      for (const socket of sockets) socket.destroy();
      await setTimeout(500);
      expect([server.exitCode, server.signalCode]).toEqual([null, null]);
      expect(await (await fetch(new URL('/api/runs', url))).text()).toContain('"one"');
    } finally {
      for (const socket of sockets) socket.destroy();
      server.kill('SIGKILL');
    }
  });
});

/** To 64, fewer than Node needs to load a program: of a process that has loaded its own. */
function limitFiles(pid: number): void {
  execFileSync('prlimit', ['--pid', String(pid), '--nofile=64:64']);
}
