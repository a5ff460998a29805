import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeFolder, named, openRegular, readText, withinTime } from '../src/index.ts';

const root = mkdtempSync(join(tmpdir(), 'lpr-guard-'));
afterAll(() => rmSync(root, { recursive: true }));
const folder = (): string => root;

describe('makeFolder', () => {
  it('makes those above it too, also when several want it at once, and leaves what is there', async () => {
    const path = join(folder(), 'a', 'b', 'c');
    await Promise.all(Array.from({ length: 8 }, () => makeFolder(path)));
    for (let round = 0; round < 20; round++) {
      const each = Array.from({ length: 16 }, (_, i) => join(folder(), `round-${round}`, `own-${i}`));
      await Promise.all(each.map((own) => makeFolder(own)));
    }
    await writeFile(join(path, 'file'), '');
    await makeFolder(path);
    expect(await readdir(path)).toEqual(['file']);
    await expect(makeFolder(join(path, 'file', 'd'))).rejects.toThrow(/ENOTDIR/);
    await expect(makeFolder(join(path, 'file'))).rejects.toThrow(/EEXIST/);
  });

  it.runIf(existsSync('/proc/self'))('comes to an end where nothing can be made', async () => {
    await expect(makeFolder('/proc/none/run')).rejects.toThrow(/ENOENT|EACCES/);
    await expect(makeFolder('/proc/self/none/a/b')).rejects.toThrow(/ENOENT|EACCES/);
  });
});

describe('readText', () => {
  it('reads files, and what links lead to, up to a size', async () => {
    const path = join(root, 'text');
    await writeFile(path, 'é');
    await symlink(path, join(root, 'link'));
    expect(await readText(path, 2)).toBe('é');
    expect(await readText(join(root, 'link'), 2)).toBe('é');
    await expect(readText(path, 1)).rejects.toThrow('it has 2 bytes, more than such a file ever holds (1)');
    await expect(readText(join(root, 'none'), 1)).rejects.toThrow(/ENOENT/);
  });

  it.skipIf(process.platform === 'win32')('waits for nothing that never ends', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')]);
    await mkdir(join(root, 'folder'));
    for (const path of [join(root, 'pipe'), join(root, 'folder'), '/dev/zero'])
      await expect(openRegular(path)).rejects.toThrow('it is no regular file');
  });
});

it('a file is named once, by whoever finds fault with it', async () => {
  class Problem extends Error {}
  const path = join(root, 'named');
  await writeFile(path, 'long');
  expect(await named(path, readText(path, 4), Problem)).toBe('long');
  const tooLong = await named(path, readText(path, 3), Problem).catch((error: unknown) => error);
  expect(tooLong).toBeInstanceOf(Problem);
  expect(String(tooLong)).toContain(`${path}: it has 4 bytes`);
  const missing = await named('none', readText(join(root, 'none'), 1), Problem).catch((error: unknown) => error);
  expect(missing).not.toBeInstanceOf(Problem);
});

describe('withinTime', () => {
  it('gives what the work gives, or throws what it throws', () => {
    const value = {};
    expect(withinTime(1000, 'this', () => value)).toBe(value);
    expect(() => withinTime(1000, 'this', () => JSON.parse('{'))).toThrow(SyntaxError);
    expect(withinTime(1000, 'outer', () => withinTime(500, 'inner', () => 7))).toBe(7);
  });

  it('stops patterns and loops that would go on', () => {
    const text = `${'a'.repeat(40)}!`;
    expect(() => withinTime(50, 'matching', () => /(a+)+$/.test(text))).toThrow(
      'matching was stopped after 0.1 seconds',
    );
    const loop = (): never => {
      for (;;);
    };
    expect(() => withinTime(50, 'outer', () => withinTime(10, 'inner', loop))).toThrow(/(inner|outer) was stopped/);
    expect(withinTime(50, 'this', () => 1)).toBe(1);
  });
});

it('the snippet of the README runs', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  expect(readme).toContain("import { readText, withinTime } from '@lpr/guard';");
  const text = await readText(new URL('../package.json', import.meta.url).pathname, 2 ** 20);
  expect(withinTime(2000, 'matching', () => /"name": "(.*)"/.exec(text)?.[1])).toBe('@lpr/guard');
});
