import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
