import { symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadStateOfTheUnion } from '../src/sources/sotu.ts';
import type { TextSpec } from '../src/sources/spec.ts';
import { cutText } from '../src/sources/text.ts';
import { openSource } from '../src/sources/open.ts';
import { makeFolder } from './folder.ts';
import { ADDRESSES, jsonLines, parquet, PROSE, readSource, UNICODE } from './texts.ts';

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

describe('a source of the addresses', () => {
  it('has whole ones, or pieces of them that joined are the addresses', async () => {
    const whole = loadStateOfTheUnion();
    const addresses = await readSource(await openSource({ type: 'state-of-the-union' }));
    expect(addresses.map(({ id }) => id)).toEqual(whole.map(({ id }) => id));
    const pieces = await readSource(await openSource({ type: 'state-of-the-union', documentCharacters: 2000 }));
    expect(new Set(pieces.map(({ id }) => id)).size).toBe(pieces.length);
    expect(pieces.length).toBeGreaterThan(4000);
    for (const { text } of pieces) expect(text.length).toBeLessThan(4000);
    const joined = new Map<string, string>();
    for (const { id, text } of pieces) {
      const address = id.slice(0, id.lastIndexOf('/'));
      joined.set(address, (joined.get(address) ?? '') + text);
    }
    expect(Array.from(joined, ([id, text]) => ({ id, text }))).toEqual(whole.map(({ id, text }) => ({ id, text })));
  });
});

describe('a text source', () => {
  const { path: folder, write } = makeFolder();

  const read = (spec: Omit<TextSpec, 'type'>) => openSource({ type: 'text', ...spec }).then(readSource);
  const textsOf = async (spec: Omit<TextSpec, 'type'>) => (await read(spec)).map(({ text }) => text);

  it('reads short files as a document each', async () => {
    const paths = [write('one.txt', 'Größe 🙂\r\n'), write('two.txt', '\uFEFFtwo')];
    expect(await textsOf({ paths })).toEqual(['Größe 🙂\r\n', 'two']);
  });

  it('knows a document by its text, wherever it lies and however its path is written', async () => {
    const [here, there, other] = [
      write('here.txt', 'same'),
      write('folder/there.txt', 'same'),
      write('o.txt', 'other'),
    ];
    const ids = await Promise.all(
      [here, relative('.', here), `${folder}/folder/../here.txt`, there, other].map(async (path) => {
        const [document] = await read({ paths: [path] });
        return document!.id;
      }),
    );
    expect(new Set(ids.slice(0, 4)).size).toBe(1);
    expect(ids[4]).not.toBe(ids[0]);
  });

  it('finds files by glob, each once, and takes a path that exists for what it is', async () => {
    for (const name of ['b.md', 'a.md', 'notes[1].md']) {
      write(name, name);
    }
    const texts = (...names: string[]) => textsOf({ paths: names.map((name) => join(folder, name)) });
    symlinkSync(join(folder, 'a.md'), join(folder, 'link.markdown'));
    expect(await texts('*.md', 'a.md', 'x/../b.md', '*.markdown')).toEqual(['a.md', 'b.md', 'notes[1].md']);
    expect(await texts('notes[1].md')).toEqual(['notes[1].md']);
    expect(await texts('{b,a}.md')).toEqual(['a.md', 'b.md']);
  });

  it('cuts at a separator', async () => {
    const path = write('many.txt', 'one<|endoftext|>two\n<|endoftext|>\n<|endoftext|>three');
    expect(await textsOf({ paths: [path], separator: '<|endoftext|>' })).toEqual(['one', 'two\n', 'three']);
  });

  it('cuts at lines whichever way lines end', async () => {
    const lines = ['one', 'two', '---', '', 'three (a|b)', '---', 'four'];
    for (const end of ['\n', '\r\n']) {
      const path = write('lines.txt', lines.join(end));
      const expected = [`one${end}two`, `${end}three (a|b)`, 'four'];
      expect(await textsOf({ paths: [path], separator: '\n---\n' })).toEqual(expected);
      expect(await textsOf({ paths: [path], separator: '\r\n---\r\n' })).toEqual(expected);
    }
    const path = write('lines.txt', 'a (a|b) b');
    expect(await textsOf({ paths: [path], separator: '(a|b)' })).toEqual(['a ', ' b']);
  });

  it('reads files of records as such, whatever they are said to be', async () => {
    const records = jsonLines(['one', 'two']);
    const paths = [
      write('records.jsonl', records),
      write('records.ndjson.GZ', gzipSync(records)),
      write('records.json', records),
      write('records.parquet', parquet({ text: ['three'] }, {})),
      write('plain.txt', 'four'),
    ];
    expect(await textsOf({ paths })).toEqual(['one', 'two', 'one', 'two', 'one', 'two', 'three', 'four']);
    await expect(read({ paths: [write('settings.json', '[\n1]')] })).rejects.toThrow(
      /settings\.json line 1 is not JSON: \[\. Each line must be one whole JSON object/,
    );
    await expect(read({ paths: [write('bodies.jsonl', '{"body": "x"}')] })).rejects.toThrow(
      /bodies\.jsonl line 1 has no field "text"; it has: body\. Name the one .*: the "field" of a source of type jsonl/,
    );
    await expect(read({ paths, separator: '---' })).rejects.toThrow(
      /records\.jsonl is read as jsonl, a document a record, where separator has no meaning\. Give it a source of its own/,
    );
    await expect(read({ paths: paths.slice(3), documentCharacters: 3 })).rejects.toThrow(
      /records\.parquet is read as parquet, a document a record, where documentCharacters has no meaning/,
    );
  });

  it('does not mix what was written while it was read with what was there before', async () => {
    const path = write('growing.txt', 'before');
    const source = await openSource({ type: 'text', paths: [path] });
    write('growing.txt', 'before and after');
    await expect(readSource(source)).rejects.toThrow(/growing\.txt was changed while it was read\. Start again/);
  });

  it('cuts a large file, so that part of it can be held out', async () => {
    const text = ADDRESSES.join('').slice(0, 50_000);
    const path = write('large.txt', text);
    const documents = await read({ paths: [path], documentCharacters: 1000 });
    expect(documents.length).toBeGreaterThan(25);
    expect(documents.map((document) => document.text).join('')).toBe(text);
    expect(await openSource({ type: 'text', paths: [path] })).toMatchObject({ splitBy: 'size' });
  });

  it('says which file is wrong and why', async () => {
    const missing = join(folder, 'missing.txt');
    await expect(read({ paths: [missing] })).rejects.toThrow(`cannot read ${missing}: no file has this name`);
    await expect(read({ paths: [folder] })).rejects.toThrow(
      `cannot read ${folder}: it is a folder. Name files, such as`,
    );
    await expect(read({ paths: ['/dev/null'] })).rejects.toThrow('cannot read /dev/null: it is no regular file');
    const latin1 = write('latin1.txt', Uint8Array.of(0x47, 0x72, 0xf6, 0xdf, 0x65));
    await expect(read({ paths: [latin1] })).rejects.toThrow(/latin1\.txt is not UTF-8/);
    for (const bytes of [Buffer.from('Größe', 'utf16le'), new Uint8Array(9)]) {
      await expect(read({ paths: [write('zeros.txt', bytes)] })).rejects.toThrow(
        /zeros\.txt has bytes of zero, so it is UTF-16 or no text; convert it to UTF-8, or leave it out/,
      );
    }
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
