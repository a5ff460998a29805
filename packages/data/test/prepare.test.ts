import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TokenStream } from '../src/batches.ts';
import { splitDocuments } from '../src/documents.ts';
import { countWords, prepareTokens } from '../src/prepare.ts';
import { documentSource } from '../src/sources/source.ts';
import type { SourceSpec } from '../src/sources/spec.ts';
import { trainBpe } from '../src/tokenizers/bpe-trainer.ts';
import type { Tokenizer } from '../src/tokenizers/tokenizer.ts';
import { makeFolder } from './folder.ts';
import { ADDRESSES, jsonLines, parquet } from './texts.ts';

const SPLIT = { heldOutFraction: 0.2, seed: 3 };
const DOCUMENTS = ADDRESSES.map((text, index) => ({ id: `address ${index}`, text, domain: 'addresses' }));
const OPTIONS = { ...SPLIT, sources: [documentSource(DOCUMENTS)] };
const PARTS = splitDocuments(DOCUMENTS, SPLIT);
const written = (documents: readonly { text: string }[]): string =>
  documents.map(({ text }) => `${text}<|endoftext|>`).join('');

describe('prepareTokens', () => {
  it.each(['bytes' as const, { vocabularySize: 500 }])('packs both parts with tokenizer %j', async (tokenizer) => {
    const prepared = await prepareTokens({ ...OPTIONS, tokenizer });
    const textOf = (streams: readonly TokenStream[]) =>
      streams.map(({ domain, tokens }) => ({ domain, text: prepared.tokenizer.decode(tokens) }));
    expect(textOf(prepared.training)).toEqual([{ domain: 'addresses', text: written(PARTS.training) }]);
    expect(textOf(prepared.heldOut)).toEqual([{ domain: 'addresses', text: written(PARTS.heldOut) }]);
    expect(prepared.tokenizer.vocabularySize).toBe(tokenizer === 'bytes' ? 257 : 500);
  });

  it('trains the tokenizer on the training part alone', async () => {
    const tokenizer = { vocabularySize: 500 };
    const { tokenizer: trained } = await prepareTokens({ ...OPTIONS, tokenizer });
    const { tokenizer: alone } = await prepareTokens({
      sources: [documentSource(PARTS.training)],
      tokenizer,
      heldOutFraction: 0,
      seed: 0,
    });
    expect(trained.encode(ADDRESSES[0]!)).toEqual(alone.encode(ADDRESSES[0]!));
  });

  it('takes from the cache what it made before, and no more than that', async () => {
    const cacheDirectory = mkdtempSync(join(tmpdir(), 'lpr-data-'));
    try {
      let calls = 0;
      const prepare = (vocabularySize: number) =>
        prepareTokens({ ...OPTIONS, cacheDirectory, tokenizer: { vocabularySize }, onProgress: () => calls++ });
      const first = await prepare(500);
      expect(calls).toBeGreaterThan(0);
      calls = 0;
      const second = await prepare(500);
      expect(calls).toBe(0);
      expect(second.training).toEqual(first.training);
      expect(second.heldOut).toEqual(first.heldOut);
      expect(readdirSync(cacheDirectory)).toHaveLength(2);
      const other = await prepare(400);
      expect(calls).toBeGreaterThan(0);
      expect(other.tokenizer.vocabularySize).toBe(400);
    } finally {
      rmSync(cacheDirectory, { recursive: true });
    }
  });
});

describe('prepareTokens of several sources', () => {
  const { path: folder, write } = makeFolder();
  /** Texts that say where they are from. */
  const texts = (name: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => `${name} ${index} ${'x'.repeat(index % 13)}`);
  const documentsOf = (tokenizer: Tokenizer, streams: readonly TokenStream[]): string[] =>
    streams.flatMap(({ tokens }) => tokenizer.decode(tokens).split('<|endoftext|>').slice(0, -1));
  /** One source of each kind that is read from a file. */
  const sourcesOf = (counts: readonly [number, number, number]): SourceSpec[] => [
    { type: 'text', paths: [write('plain.txt', texts('plain', counts[0]).join('|'))], separator: '|', domain: 'prose' },
    { type: 'jsonl', paths: [write('lines.jsonl', jsonLines(texts('lines', counts[1])))], weight: 3, domain: 'web' },
    {
      type: 'parquet',
      paths: [write('rows.parquet', parquet({ text: texts('rows', counts[2]) }, { rowGroupSize: 7 }))],
      domain: 'web',
    },
  ];

  it('puts every document whole into one part, and only one', async () => {
    const size = fc.integer({ min: 10, max: 60 });
    await fc.assert(
      fc.asyncProperty(fc.tuple(size, size, size), fc.nat(), async (counts, seed) => {
        const options = { sources: sourcesOf(counts), tokenizer: 'bytes', heldOutFraction: 0.1, seed } as const;
        const { tokenizer, training, heldOut } = await prepareTokens(options);
        expect(training.map(({ domain, weight }) => [domain, weight])).toEqual([
          ['prose', undefined],
          ['web', 3],
          ['web', undefined],
        ]);
        expect(heldOut.map(({ domain }) => domain)).toEqual(['prose', 'web']);
        const parts = [...documentsOf(tokenizer, training), ...documentsOf(tokenizer, heldOut)];
        const all = ['plain', 'lines', 'rows'].flatMap((name, index) => texts(name, counts[index]!));
        expect(parts.toSorted()).toEqual(all.toSorted());
        expect(documentsOf(tokenizer, heldOut.slice(0, 1)).every((text) => text.startsWith('plain'))).toBe(true);
        expect(await prepareTokens(options)).toMatchObject({ training, heldOut });
      }),
      { numRuns: 25 },
    );
  });

  it('gives the same with a cache, cold, warm or damaged, as without', async () => {
    const sources = sourcesOf([30, 3000, 40]);
    const cacheDirectory = join(folder, 'cache');
    const prepare = (options: { cacheDirectory?: string }) =>
      prepareTokens({ sources, tokenizer: { vocabularySize: 300 }, heldOutFraction: 0.1, seed: 1, ...options });
    const { training, heldOut } = await prepare({});
    expect(await prepare({ cacheDirectory })).toMatchObject({ training, heldOut });
    const entries = readdirSync(cacheDirectory);
    // The tokenizer; one shard of text, three of lines, six row groups.
    expect(entries).toHaveLength(1 + 1 + 3 + 6);
    expect(await prepare({ cacheDirectory })).toMatchObject({ training, heldOut });
    for (const entry of entries.filter((_, index) => index % 2 === 0)) {
      truncateSync(join(cacheDirectory, entry), 20);
    }
    expect(await prepare({ cacheDirectory })).toMatchObject({ training, heldOut });
    expect(readdirSync(cacheDirectory).toSorted()).toEqual(entries.toSorted());
  });

  it('reads on where the wanted number of tokens was raised, and splits what it had as before', async () => {
    const [, lines] = sourcesOf([10, 3000, 10]);
    const prepare = (maxTokens: number) =>
      prepareTokens({ sources: [{ ...lines!, maxTokens }], tokenizer: 'bytes', heldOutFraction: 0.1, seed: 1 });
    const [small, large] = [await prepare(2000), await prepare(20_000)];
    for (const part of ['training', 'heldOut'] as const) {
      const { tokens } = small[part][0]!;
      expect(large[part][0]!.tokens.subarray(0, tokens.length)).toEqual(tokens);
    }
    const total = small.training[0]!.tokens.length + small.heldOut[0]!.tokens.length;
    expect(total).toBeGreaterThanOrEqual(2000);
    expect(total).toBeLessThan(2030);
  });

  it('takes a tokenizer from a path', async () => {
    const trained = trainBpe(ADDRESSES, { vocabularySize: 400 });
    const path = write('tokenizer.json', trained.toJson());
    const { tokenizer, training } = await prepareTokens({ ...OPTIONS, tokenizer: { path } });
    expect(tokenizer.toJson()).toBe(trained.toJson());
    expect(tokenizer.decode(training[0]!.tokens)).toBe(written(PARTS.training));
  });

  it('tells what it does', async () => {
    const phases: string[] = [];
    const sources = sourcesOf([10, 20, 30]);
    await prepareTokens({
      sources,
      tokenizer: { vocabularySize: 300 },
      heldOutFraction: 0.1,
      seed: 1,
      onProgress: (progress) => {
        const phase = progress.phase === 'encoding' ? `encoding ${progress.domain}` : progress.phase;
        if (phases.at(-1) !== phase) {
          phases.push(phase);
        }
      },
    });
    expect(phases).toEqual(['counting', 'merging', 'encoding prose', 'encoding web']);
  });

  it('says what is wrong', async () => {
    const prepare = (sources: SourceSpec[]) =>
      prepareTokens({ sources, tokenizer: 'bytes', heldOutFraction: 0.001, seed: 1 });
    const [text, lines] = sourcesOf([20, 9, 20]);
    await expect(prepare([])).rejects.toThrow(/got no sources; give at least one/);
    await expect(prepare([text!, text!])).rejects.toThrow(/the sources name .*plain\.txt twice, so a document could/);
    // However it is written, and however it is cut.
    const again: SourceSpec = { type: 'text', paths: [`${folder}/../${basename(folder)}/plain.txt`], separator: ' ' };
    await expect(prepare([text!, again])).rejects.toThrow(/the sources name .*plain\.txt twice/);
    await expect(prepare([lines!])).rejects.toThrow(
      /the source of "web" has no document for the held-out part \(heldOutFraction is 0\.001\)\. Give more/,
    );
    await expect(prepare([{ type: 'text', paths: [write('short.txt', 'short')] }])).rejects.toThrow(
      /the source of "short" is a single document, so none can be held out\. Give more text, cut it/,
    );
  });
});

describe('countWords', () => {
  it('reads of each source its share of the characters, and no more than maxTokens takes', async () => {
    const [first, ...others] = DOCUMENTS;
    const sources = [documentSource(DOCUMENTS), documentSource(others, { maxTokens: 1 })];
    const whole = DOCUMENTS.reduce((sum, { text }) => sum + text.length, 0);
    const short = others[0]!.text.length;
    expect((await countWords(sources)).characters).toBe(whole + short);
    expect((await countWords(sources, { characters: 2 })).characters).toBe(first!.text.length + short);
  });
});
