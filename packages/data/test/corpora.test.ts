import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadStateOfTheUnion } from '../src/corpora/sotu.ts';
import { loadTextFiles } from '../src/corpora/text-files.ts';

describe('loadStateOfTheUnion', () => {
  it('has every address once, whole', () => {
    const documents = loadStateOfTheUnion();
    expect(documents).toHaveLength(233);
    expect(new Set(documents.map(({ id }) => id)).size).toBe(233);
    expect(documents.reduce((sum, { text }) => sum + text.length, 0)).toBe(10_759_831);
    expect(documents.every(({ domain }) => domain === 'sotu')).toBe(true);
    const kennedy = documents.find(({ id }) => id === 'sotu/1961-john-f-kennedy');
    expect(kennedy?.text).toContain('We cannot escape our dangers');
  });
});

describe('loadTextFiles', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'lpr-data-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const write = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  it('reads a document per file', () => {
    const paths = [write('one.txt', 'Größe 🙂\r\n'), write('two.txt', '\uFEFFtwo')];
    expect(loadTextFiles(paths)).toEqual([
      { id: paths[0], text: 'Größe 🙂\r\n' },
      { id: paths[1], text: 'two' },
    ]);
    expect(loadTextFiles(paths.slice(1), { domain: 'notes' })).toEqual([
      { id: paths[1], text: 'two', domain: 'notes' },
    ]);
  });

  it('says which file is wrong and why', () => {
    const missing = join(folder, 'missing.txt');
    expect(() => loadTextFiles([missing])).toThrow(`cannot read ${missing} (Error: ENOENT`);
    expect(() => loadTextFiles([folder])).toThrow(`cannot read ${folder} (Error: EISDIR`);
    expect(() => loadTextFiles([write('latin1.txt', Uint8Array.of(0x47, 0x72, 0xf6, 0xdf, 0x65))])).toThrow(
      /latin1\.txt is not UTF-8/,
    );
    expect(() => loadTextFiles([write('empty.txt', '')])).toThrow(/empty\.txt is empty/);
    expect(() => loadTextFiles([])).toThrow(/got no paths/);
  });
});
