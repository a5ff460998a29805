import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ByteFile, openLocalFiles } from '../src/sources/bytes.ts';
import { jsonLinesFile } from '../src/sources/jsonl.ts';
import { openSource } from '../src/sources/open.ts';
import { parquetFile } from '../src/sources/parquet.ts';
import type { Shard } from '../src/sources/source.ts';
import type { SourceSpec } from '../src/sources/spec.ts';
import { makeFolder } from './folder.ts';
import { ADDRESSES, jsonLines, parquet, readSource, UNICODE } from './texts.ts';

const { path: folder, write } = makeFolder();
const read = async (spec: SourceSpec) => readSource(await openSource(spec));
const textsOf = async (spec: SourceSpec) => (await read(spec)).map(({ text }) => text);

describe('jsonl', () => {
  it('reads the field of every line, plain and gzipped', async () => {
    const lines = jsonLines(['Größe 🙂', 'two\nlines', '', 'last']);
    const paths = [write('a.jsonl', lines), write('b.jsonl.gz', gzipSync(lines.trimEnd()))];
    for (const path of paths) {
      expect(await textsOf({ type: 'jsonl', paths: [path] })).toEqual(['Größe 🙂', 'two\nlines', 'last']);
    }
    const other = write(
      'c.jsonl',
      '{"id":1,"content":"one"}\r\n\r\n{"id":2,"content":null}\n{"id":3,"content":"three"}',
    );
    expect(await textsOf({ type: 'jsonl', paths: [other], field: 'content' })).toEqual(['one', 'three']);
  });

  it('reads what Python writes for numbers that JSON does not have', async () => {
    const text = 'NaN "quoted \\" -Infinity, \\\\';
    const line = JSON.stringify({ a: 1, text }).replace('1', '[NaN, -Infinity, Infinity, {"NaN": NaN}]');
    const path = write('python.jsonl', `${line}\n{"score": NaN, "text": "two"}\n{"text": NaN}\n`);
    expect(await textsOf({ type: 'jsonl', paths: [path] })).toEqual([text, 'two']);
    const wrong = write('wrong.jsonl', '{"score": NaN, "text": two}');
    await expect(textsOf({ type: 'jsonl', paths: [wrong] })).rejects.toThrow(
      /wrong\.jsonl line 1 is not JSON: {"score"/,
    );
  });

  it('reads gzip files made of several members, and lines longer than what is read at once', async () => {
    const long = 'x🙂'.repeat(2 ** 20);
    const members = [['a', long], ['b']].map((texts) => gzipSync(jsonLines(texts)));
    const path = write('members.jsonl.gz', Buffer.concat(members));
    expect(await textsOf({ type: 'jsonl', paths: [path] })).toEqual(['a', long, 'b']);
    expect(await textsOf({ type: 'jsonl', paths: [write('long.jsonl', jsonLines(['a', long, 'b']))] })).toEqual([
      'a',
      long,
      'b',
    ]);
  });

  it('reads no line that is longer than it may be', async () => {
    const lines = jsonLines(['a'.repeat(50), 'b'.repeat(50), 'c'.repeat(51), 'd']);
    const longest = lines.indexOf('\n');
    const textsUpTo = async (name: string, content: string | Uint8Array, most: number) => {
      const [file] = await openLocalFiles('jsonl', [write(name, content)]);
      return (await readSource({ names: [], splitBy: 'size', files: [jsonLinesFile(file!, 'text', most)] })).length;
    };
    for (const [name, content] of [
      ['long.jsonl', lines],
      ['long.jsonl.gz', gzipSync(lines)],
    ] as const) {
      expect(await textsUpTo(name, content, longest + 1)).toBe(4);
      await expect(textsUpTo(name, content, longest)).rejects.toThrow(
        `${name} line 3 has more than ${longest} bytes. Each line must be one whole JSON object; cut a longer document`,
      );
    }
    // Of a line without an end no more is kept than a line may have.
    const endless = gzipSync(new Uint8Array(2 ** 26));
    await expect(textsUpTo('endless.jsonl.gz', endless, 2 ** 20)).rejects.toThrow(/line 1 has more than 1048576 bytes/);
  });

  it('gives the same shards from any one on', async () => {
    const texts = Array.from({ length: 3000 }, (_, index) => `document ${index}`);
    const source = await openSource({ type: 'jsonl', paths: [write('many.jsonl', jsonLines(texts))] });
    const shardsFrom = async (first: number) => {
      const shards: string[][] = [];
      for await (const { documents, last } of source.files[0]!.shards(first)) {
        shards.push([...documents.map(({ text }) => text), String(last)]);
      }
      return shards;
    };
    const all = await shardsFrom(0);
    expect(all.map((shard) => shard.at(-1))).toEqual(['false', 'false', 'true']);
    expect(all.flatMap((shard) => shard.slice(0, -1))).toEqual(texts);
    expect(await shardsFrom(1)).toEqual(all.slice(1));
    expect(await shardsFrom(2)).toEqual(all.slice(2));
  });

  it('says which file, line and field is wrong', async () => {
    const failure = (content: string | Uint8Array, name = 'wrong.jsonl') =>
      textsOf({ type: 'jsonl', paths: [write(name, content)] }).then(
        () => 'no error',
        (error: unknown) => String(error),
      );
    const good = jsonLines(Array.from({ length: 16 }, () => 'good'));
    expect(await failure(`${good}{"id": 3, "content": "x"}\n`)).toMatch(
      /wrong\.jsonl line 17 has no field "text"; it has: id, content\. Name the one/,
    );
    const many = JSON.stringify(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i])));
    expect(await failure(many)).toMatch(/has no field "text"; it has: k0, k1, .*, k19 and 980 more\. Name/);
    expect(await failure('{"text": 12}')).toMatch(/line 1: the field "text" holds 12, expected text/);
    expect(await failure(`${good}{"text": "cut sh`)).toMatch(/line 17 is not JSON: {"text": "cut sh\. Each line/);
    expect(await failure('["text"]')).toMatch(/line 1 is \["text"\], expected an object/);
    expect(await failure(Uint8Array.of(0x22, 0xf6, 0x22))).toMatch(/line 1 is not UTF-8/);
    const whole = gzipSync(jsonLines([ADDRESSES[0]!]));
    expect(await failure(whole.subarray(0, -100), 'cut.jsonl.gz')).toMatch(
      /cut\.jsonl\.gz is not whole gzip data \(unexpected end/,
    );
    expect(await failure('plain', 'plain.jsonl.gz')).toMatch(
      /plain\.jsonl\.gz is not whole gzip data \(incorrect header/,
    );
  });
});

describe('parquet', () => {
  it('reads a column by row group', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(UNICODE, { minLength: 1 }),
        fc.integer({ min: 1, max: 7 }),
        fc.nat(),
        async (texts, rowGroupSize, any) => {
          const path = write('any.parquet', parquet({ url: texts.map(() => 'u'), body: texts }, { rowGroupSize }));
          const source = await openSource({ type: 'parquet', paths: [path], column: 'body' });
          const written = texts.map((text) => new TextDecoder().decode(new TextEncoder().encode(text)));
          const groups = Math.ceil(texts.length / rowGroupSize);
          // Each reading starts a thread.
          for (const first of new Set([0, any % groups, groups - 1])) {
            const rest: string[] = [];
            for await (const shard of source.files[0]!.shards(first)) {
              rest.push(...shard.documents.map(({ text }) => text));
            }
            expect(rest).toEqual(written.slice(first * rowGroupSize).filter((text) => text !== ''));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('cuts row groups of many rows into several shards', async () => {
    const texts = Array.from({ length: 5000 }, (_, index) => (index % 10 === 3 ? '' : `row ${index}`));
    const path = write('large groups.parquet', parquet({ text: texts }, { rowGroupSize: 2500 }));
    const [file] = (await openSource({ type: 'parquet', paths: [path] })).files;
    for (let first = 0; first < 6; first++) {
      const shards: Shard[] = [];
      for await (const shard of file!.shards(first)) {
        shards.push(shard);
      }
      expect(shards.map(({ last }) => last)).toEqual([false, false, false, false, false, true].slice(first));
      const start = [0, 1024, 2048, 2500, 3524, 4548][first]!;
      expect(shards.flatMap(({ documents }) => documents.map(({ text }) => text))).toEqual(
        texts.slice(start).filter((text) => text !== ''),
      );
    }
  });

  it('reads compressed files, and rows without text', async () => {
    const path = write('nulls.parquet', parquet({ text: ['one', null, '', 'four'] }, { codec: 'GZIP' }));
    expect(await textsOf({ type: 'parquet', paths: [path] })).toEqual(['one', 'four']);
  });

  it('says which file, row and column is wrong', async () => {
    const failure = (bytes: Uint8Array, column?: string) =>
      textsOf({ type: 'parquet', paths: [write('wrong.parquet', bytes)], column }).then(
        () => 'no error',
        (error: unknown) => String(error),
      );
    const good = parquet({ url: ['a', 'b'], content: ['c', 'd'], count: [1, 2] }, {});
    expect(await failure(good)).toMatch(
      /wrong\.parquet has no column "text"; it has: url, content, count\. Name the one/,
    );
    const wide = parquet(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`c${i}`, ['a']])), {});
    expect(await failure(wide)).toMatch(/has no column "text"; it has: c0, c1, .*, c19 and 10 more\. Name/);
    expect(await failure(good, 'count')).toMatch(/wrong\.parquet row 0: the column "count" holds 1, expected text/);
    expect(await failure(good.subarray(0, -5), 'url')).toMatch(/wrong\.parquet is not a whole parquet file \(/);
    expect(await failure(new Uint8Array(0), 'url')).toMatch(/wrong\.parquet is not a whole parquet file \(/);
  });

  it('reads a file while the thread that asks for it is busy', async () => {
    const bytes = parquet({ text: ['one', 'two'] }, {});
    let isBusy = false;
    const file: ByteFile = {
      name: 'busy.parquet',
      byteLength: bytes.length,
      content: () => Promise.resolve(''),
      slice: (start, end) => {
        // Longer than a request may take, once the worker has got its bytes.
        if (!isBusy) setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500));
        isBusy = true;
        return Promise.resolve(new Uint8Array(bytes.subarray(start, end)).buffer);
      },
    };
    const shards: Shard[] = [];
    for await (const shard of parquetFile(file, 'text').shards(0)) shards.push(shard);
    expect(shards.flatMap(({ documents }) => documents.map(({ text }) => text))).toEqual(['one', 'two']);
  });

  it('stops at damage that would keep the decoder going for ever', async () => {
    const corpus = join(import.meta.dirname, 'corpus');
    for (const name of readdirSync(corpus).filter((file) => file.endsWith('.parquet'))) {
      await expect(textsOf({ type: 'parquet', paths: [join(corpus, name)] })).rejects.toThrow(
        `${name}: stopped after 2 seconds: the file is damaged, or this machine too busy; try again.`,
      );
    }
  });
});

describe('openSource', () => {
  it('says which field of a spec is wrong', async () => {
    const failure = (spec: object) =>
      // The cast: what a configuration file says may be anything.
      openSource(spec as SourceSpec).then(
        () => 'no error',
        (error: unknown) => String(error),
      );
    expect(await failure({ type: 'txt' })).toMatch(/Invalid/);
    expect(await failure({ type: 'text', paths: [] })).toMatch(/→ at paths/);
    expect(await failure({ type: 'text', path: 'a.txt' })).toMatch(/Unrecognized key: "path"/);
    expect(await failure({ type: 'jsonl', paths: ['a'], weight: 0 })).toMatch(/→ at weight/);
    expect(await failure({ type: 'hub', dataset: 'a/b' })).toMatch(/→ at maxTokens/);
    expect(await failure({ type: 'hub', dataset: 'a b', maxTokens: 1 })).toMatch(/expected owner\/name/);
    expect(await failure({ type: 'parquet', paths: [join(folder, 'none-*.parquet')] })).toMatch(
      /none-\*\.parquet: no file has this name or matches it/,
    );
  });

  it('says what was given: domain, weight, where to stop', async () => {
    const path = write('news.jsonl', jsonLines(['a']));
    const given = { type: 'jsonl', paths: [path], domain: 'n', weight: 2, maxTokens: 3 } as const;
    expect(await openSource(given)).toMatchObject({ names: ['n'], weight: 2, maxTokens: 3, splitBy: 'rank' });
    expect(await openSource({ type: 'jsonl', paths: [path] })).toMatchObject({ splitBy: 'size' });
    expect(await openSource({ type: 'state-of-the-union' })).toMatchObject({ names: ['sotu'] });
  });
});
