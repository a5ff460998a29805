import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sha256, sha256OfFile, writeSynced, writeWhole } from '../src/files.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lpr-files-'));
});
afterEach(async () => await rm(root, { recursive: true }));

it('a file is written whole over another, and over nothing else', async () => {
  await writeFile(join(root, 'file'), 'old');
  await writeWhole(join(root, 'file'), 'new');
  expect(await readFile(join(root, 'file'), 'utf8')).toBe('new');
  await mkdir(join(root, 'folder'));
  await expect(writeWhole(join(root, 'folder'), 'x')).rejects.toThrow(/folder is there and is no file/);
  expect((await stat(join(root, 'folder'))).isDirectory()).toBe(true);
  expect(await readdir(root)).toEqual(['file', 'folder']);
});

it('what a killed process has left of a file goes when it is written again, and no other', async () => {
  const path = join(root, 'picture.png');
  const module = pathToFileURL(join(import.meta.dirname, '../src/files.ts')).href;
  // Stops while it writes both.
  const code = `import { readdirSync, writeSync } from 'node:fs';
    import { writeWhole } from ${JSON.stringify(module)};
    const root = ${JSON.stringify(root)};
    for (const name of ['picture.png', 'other.png']) void writeWhole(root + '/' + name, 'x'.repeat(1e8));
    setInterval(() => {
      if (readdirSync(root).length < 2) return;
      writeSync(1, 'writing');
      process.kill(process.pid, 'SIGSTOP');
    }, 0);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  const left = await readdir(root);
  expect(left.every((name) => name.endsWith('.tmp'))).toBe(true);
  await writeWhole(path, 'while the other still lives');
  expect((await readdir(root)).toSorted()).toEqual([...left, 'picture.png'].toSorted());
  child.kill('SIGKILL');
  await ended;
  await Promise.all([writeWhole(path, 'first'), writeWhole(path, 'second')]);
  expect(await readdir(root)).toHaveLength(2);
  await writeWhole(join(root, 'other.png'), 'y');
  expect((await readdir(root)).toSorted()).toEqual(['other.png', 'picture.png']);
});

it('the sum of what is written in pieces is that of the whole', async () => {
  const bytes = Uint8Array.from({ length: 9_000_000 }, (_, i) => (i * 7919) >>> 3);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, 10);
    yield await Promise.resolve(bytes.subarray(10));
  }
  const path = join(root, 'file');
  expect(await writeSynced(path, pieces())).toBe(sha256(bytes));
  expect(await sha256OfFile(path)).toEqual({ sum: sha256(bytes), bytes: bytes.length });
  expect((await readFile(path)).equals(bytes)).toBe(true);
  await expect(writeSynced(path, 'again')).rejects.toThrow(/EEXIST/);
});
