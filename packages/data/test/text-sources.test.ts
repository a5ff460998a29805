import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadStateOfTheUnion } from '../src/sources/sotu.ts';
import type { TextSpec } from '../src/sources/spec.ts';
import { cutText, openText } from '../src/sources/text.ts';
import { makeFolder } from './folder.ts';
import { ADDRESSES, PROSE, readSource, UNICODE } from './texts.ts';

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

describe('openText', () => {
  const { path: folder, write } = makeFolder();

  const read = (spec: Omit<TextSpec, 'type'>) => openText({ type: 'text', ...spec }).then(readSource);

  it('reads short files as a document each', async () => {
    const paths = [write('one.txt', 'Größe 🙂\r\n'), write('two.txt', '\uFEFFtwo')];
    expect(await read({ paths })).toEqual([
      { id: paths[0], text: 'Größe 🙂\r\n' },
      { id: paths[1], text: 'two' },
    ]);
  });

  it('finds files by glob, each once, and takes a path that exists for what it is', async () => {
    for (const name of ['b.md', 'a.md', 'notes[1].md']) {
      write(name, name);
    }
    const texts = async (...names: string[]) =>
      (await read({ paths: names.map((name) => join(folder, name)) })).map(({ text }) => text);
    expect(await texts('*.md', 'a.md')).toEqual(['a.md', 'b.md', 'notes[1].md']);
    expect(await texts('notes[1].md')).toEqual(['notes[1].md']);
    expect(await texts('{b,a}.md')).toEqual(['a.md', 'b.md']);
  });

  it('cuts at a separator', async () => {
    const path = write('many.txt', 'one<|endoftext|>two\n<|endoftext|>\n<|endoftext|>three');
    expect(await read({ paths: [path], separator: '<|endoftext|>' })).toEqual([
      { id: `${path}#1`, text: 'one' },
      { id: `${path}#2`, text: 'two\n' },
      { id: `${path}#3`, text: 'three' },
    ]);
  });

  it('cuts a large file, so that part of it can be held out', async () => {
    const text = ADDRESSES.join('').slice(0, 50_000);
    const path = write('large.txt', text);
    const documents = await read({ paths: [path], documentCharacters: 1000 });
    expect(documents.length).toBeGreaterThan(25);
    expect(documents.map((document) => document.text).join('')).toBe(text);
    const source = await openText({ type: 'text', paths: [path] });
    expect(source).toMatchObject({ domain: 'large', splitBy: 'size' });
  });

  it('says which file is wrong and why', async () => {
    const missing = join(folder, 'missing.txt');
    await expect(read({ paths: [missing] })).rejects.toThrow(`cannot read ${missing}: no file has this name`);
    await expect(read({ paths: [folder] })).rejects.toThrow(`cannot read ${folder} (Error: EISDIR`);
    const latin1 = write('latin1.txt', Uint8Array.of(0x47, 0x72, 0xf6, 0xdf, 0x65));
    await expect(read({ paths: [latin1] })).rejects.toThrow(/latin1\.txt is not UTF-8/);
    await expect(read({ paths: [write('empty.txt', ' \n')] })).rejects.toThrow(/empty\.txt is empty/);
    await expect(read({ paths: [write('bars.txt', '||')], separator: '|' })).rejects.toThrow(
      /bars\.txt is empty|no text between/,
    );
  });
});

describe('cutText', () => {
  it('keeps every character, never cuts one in two, and keeps pieces between once and twice the size', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(PROSE, UNICODE)), fc.integer({ min: 4, max: 40 }), (parts, characters) => {
        const text = parts.join('');
        const pieces = [...cutText(text, characters)];
        expect(pieces.join('')).toBe(text);
        for (const [index, piece] of pieces.entries()) {
          expect(piece).not.toMatch(/^[\uDC00-\uDFFF]/);
          expect(piece.length).toBeLessThanOrEqual(2 * characters);
          if (index < pieces.length - 1) {
            expect(piece.length).toBeGreaterThanOrEqual(characters);
          }
        }
      }),
    );
  });

  it('cuts after a blank line, else after a line, else after white space', () => {
    expect([...cutText('aaaa\nbb\n\ncccccc ccccc', 6)]).toEqual(['aaaa\nbb\n\n', 'cccccc ', 'ccccc']);
    expect([...cutText('aa aa\nbbbbbbb', 4)]).toEqual(['aa aa\n', 'bbbb', 'bbb']);
  });
});
