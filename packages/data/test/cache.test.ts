import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cached, contentKey, openCache } from '../src/cache.ts';

let folder: string;
let made: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lpr-data-'));
  made = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

const CONTENT = Uint8Array.of(1, 2, 3);
const make = (): Uint8Array => {
  made++;
  return CONTENT;
};

describe('cached', () => {
  it('makes an entry once and reads it from then on', async () => {
    const directory = join(folder, 'not', 'there', 'yet');
    expect(await cached(directory, 'entry', make)).toEqual(CONTENT);
    expect(await cached(directory, 'entry', make)).toEqual(CONTENT);
    expect(made).toBe(1);
    await cached(directory, 'other', make);
    expect(made).toBe(2);
    expect(readdirSync(directory).toSorted()).toEqual(['entry', 'other']);
  });

  it.each([
    ['cut short', (file: Uint8Array) => file.subarray(0, -1)],
    ['empty', () => new Uint8Array()],
    ['with one bit changed', (file: Uint8Array) => file.map((byte, index) => (index === 33 ? byte ^ 1 : byte))],
  ])('makes an entry again that is %s', async (_, damage) => {
    await cached(folder, 'entry', make);
    writeFileSync(join(folder, 'entry'), damage(readFileSync(join(folder, 'entry'))));
    expect(await cached(folder, 'entry', make)).toEqual(CONTENT);
    expect(made).toBe(2);
    expect(await cached(folder, 'entry', make)).toEqual(CONTENT);
    expect(made).toBe(2);
  });

  it('keeps empty content', async () => {
    for (let turn = 0; turn < 2; turn++) {
      const empty = await cached(folder, 'entry', () => {
        made++;
        return new Uint8Array();
      });
      expect(empty).toHaveLength(0);
    }
    expect(made).toBe(1);
  });

  it('leaves nothing behind when making fails', async () => {
    const failing = cached(folder, 'entry', () => Promise.reject(new Error('no such corpus')));
    await expect(failing).rejects.toThrow('no such corpus');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('serves many askers at once', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => cached(folder, 'entry', make)));
    expect(all.every((content) => Buffer.compare(content, CONTENT) === 0)).toBe(true);
    expect(readdirSync(folder)).toEqual(['entry']);
  });

  it('says what is wrong with a key or a directory', async () => {
    await expect(cached(folder, '../entry', make)).rejects.toThrow(/key "..\/entry" is no plain file name/);
    writeFileSync(join(folder, 'file'), '');
    const inFile = cached(join(folder, 'file'), 'entry', make);
    await expect(inFile).rejects.toThrow(/cannot write .*file.*Choose a cache directory that can be written/);
  });
});

describe('openCache', () => {
  it('removes what killed processes have left half written, and nothing else', async () => {
    await cached(folder, 'entry', make);
    const names = ['entry', 'dead.1.tmp', 'alive.2.tmp'];
    for (const name of names.slice(1)) {
      writeFileSync(join(folder, name), 'half');
    }
    const dayAgo = Date.now() / 1000 - 86_400;
    for (const name of names.slice(0, 2)) {
      utimesSync(join(folder, name), dayAgo, dayAgo);
    }
    expect(await openCache(folder)).toBeNull();
    expect(readdirSync(folder).toSorted()).toEqual(['alive.2.tmp', 'entry']);
  });

  it('makes the directory, or says why it cannot be used', async () => {
    const directory = join(folder, 'not', 'there', 'yet');
    expect(await openCache(directory)).toBeNull();
    expect(readdirSync(directory)).toEqual([]);
    writeFileSync(join(folder, 'file'), '');
    expect(String(await openCache(join(folder, 'file', 'cache')))).toMatch(/ENOTDIR/);
  });
});

describe('contentKey', () => {
  const documents = [
    { id: 'a', text: 'one' },
    { id: 'b', text: 'two' },
  ];

  it('changes with settings, ids, texts and where they part', () => {
    const keys = [
      contentKey({ size: 1 }, documents),
      contentKey({ size: 2 }, documents),
      contentKey({ size: 1 }, documents.toReversed()),
      contentKey({ size: 1 }, documents.slice(1)),
      contentKey({ size: 1 }, [{ id: 'a', text: 'onebtwo' }]),
      contentKey({ size: 1 }, [{ id: 'ao', text: 'ne' }, documents[1]!]),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(contentKey({ size: 1 }, [...documents])).toBe(keys[0]);
    expect(keys[0]).toMatch(/^[0-9a-f]{64}$/);
  });
});
