/** The command itself, as a user starts and stops it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { temporaryFolder, writeRun } from './folders.ts';

let child: ChildProcess | undefined;
afterEach(() => child?.kill('SIGKILL'));

async function start(...args: string[]): Promise<{ output: () => string; done: Promise<number | null> }> {
  const main = join(import.meta.dirname, '../src/main.ts');
  const own = spawn(process.execPath, ['--import', 'tsx', main, 'serve', ...args]);
  child = own;
  let output = '';
  for (const stream of [own.stdout, own.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()));
  return { output: () => output, done: once(own, 'exit').then(([code]) => code as number | null) };
}

it('prints where the page is, and Ctrl-C ends it although a page listens', async () => {
  const { path, remove } = await temporaryFolder();
  try {
    await writeRun(join(path, 'a'));
    const { output, done } = await start(path, '--port', '0');
    await expect.poll(output, { timeout: 50_000 }).toContain('Ctrl-C stops');
    const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(output())?.[0];
    const events = await fetch(`${url}api/events`);
    expect(events.status).toBe(200);
    expect(await (await fetch(url!)).text()).toContain('<title>LPR dashboard</title>');
    child!.kill('SIGINT');
    expect(await done).toBe(0);
    await events.text().catch(() => undefined);
  } finally {
    await remove();
  }
});

it('says what to do where there is no folder, and what a port is', async () => {
  const missing = await start('/no/such/folder');
  expect(await missing.done).toBe(1);
  expect(missing.output()).toContain('there is no folder /no/such/folder: train a model first (pnpm trainer)');
  const port = await start('.', '--port', '70000');
  expect(await port.done).toBe(1);
  expect(port.output()).toContain('whole number from 0 to 65535');
});
