import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitDocuments } from '../src/documents.ts';
import { splitSources } from '../src/split.ts';
import { type PrepareOptions, prepareTokens } from '../src/prepare.ts';
import { openSource } from '../src/sources/open.ts';
import { documentSource, type SourceFile } from '../src/sources/source.ts';
import type { SourceSpec } from '../src/sources/spec.ts';
import type { TokenStream } from '../src/streams.ts';
import { BpeTokenizer } from '../src/tokenizers/bpe.ts';
import { trainBpe } from '../src/tokenizers/bpe-trainer.ts';
import type { Tokenizer } from '../src/tokenizers/tokenizer.ts';
import { countSourceWords } from '../src/tokenizers/trained.ts';
import { makeFolder } from './folder.ts';
import { ADDRESSES, jsonLines, parquet, readSource } from './texts.ts';

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
    {
      type: 'text',
      paths: [write('plain.txt', texts('plain', counts[0]).join('|'))],
      separator: '|',
      domain: 'prose',
      weight: 1,
    },
    { type: 'jsonl', paths: [write('lines.jsonl', jsonLines(texts('lines', counts[1])))], weight: 3, domain: 'web' },
    {
      type: 'parquet',
      paths: [write('rows.parquet', parquet({ text: texts('rows', counts[2]) }, { rowGroupSize: 7 }))],
      domain: 'web',
      weight: 2,
    },
  ];

  it('puts every document whole into one part, and only one', async () => {
    const size = fc.integer({ min: 10, max: 60 });
    await fc.assert(
      fc.asyncProperty(fc.tuple(size, size, size), fc.nat(), async (counts, seed) => {
        const options = { sources: sourcesOf(counts), tokenizer: 'bytes', heldOutFraction: 0.1, seed } as const;
        const { tokenizer, training, heldOut } = await prepareTokens(options);
        for (const part of [training, heldOut]) {
          expect(part.map(({ domain, weight }) => [domain, weight])).toEqual([
            ['prose', 1],
            ['web', 3],
            ['web', 2],
          ]);
        }
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

  it('prepares the same however a path is written, wherever the files lie and whatever they are called', async () => {
    const sources = sourcesOf([60, 300, 40]);
    const withPath = (change: (path: string) => string): SourceSpec[] =>
      sources.map((source) => ('paths' in source ? { ...source, paths: source.paths!.map(change) } : source));
    const moved = withPath((path) => write(`moved/other-${basename(path)}`, readFileSync(path)));
    const respelt = withPath((path) => `${relative('.', folder)}/../${basename(folder)}/./${basename(path)}`);
    const prepare = (given: readonly SourceSpec[], options: { cacheDirectory?: string } = {}) =>
      prepareTokens({ sources: given, tokenizer: { vocabularySize: 400 }, ...SPLIT, ...options });
    const { training, heldOut } = await prepare(sources);
    expect(heldOut.every(({ tokens }) => tokens.length > 0)).toBe(true);
    expect(await prepare(respelt)).toMatchObject({ training, heldOut });
    expect(await prepare(moved)).toMatchObject({ training, heldOut });
    const cacheDirectory = join(folder, 'moving');
    expect(await prepare(sources, { cacheDirectory })).toMatchObject({ training, heldOut });
    const entries = readdirSync(cacheDirectory);
    expect(await prepare(moved, { cacheDirectory })).toMatchObject({ training, heldOut });
    expect(readdirSync(cacheDirectory)).toEqual(entries);
  });

  it('reads a file anew that was replaced by one of the same name, size and time', async () => {
    const cacheDirectory = join(folder, 'replaced');
    const time = 1_600_000_000;
    const prepare = async (word: string) => {
      const path = write('replaced.txt', texts(word, 50).join('|'));
      utimesSync(path, time, time);
      const source = { type: 'text', paths: [path], separator: '|' } as const;
      const { tokenizer, training } = await prepareTokens({
        sources: [source],
        tokenizer: { vocabularySize: 300 },
        ...SPLIT,
        cacheDirectory,
      });
      return tokenizer.decode(training[0]!.tokens);
    };
    expect(await prepare('first')).toMatch(/^first/);
    expect(await prepare('other')).toMatch(/^other/);
  });

  it('keeps what it needs of a large file to split it, so that it is not read again', async () => {
    const cacheDirectory = join(folder, 'large');
    const paths = [
      write('large.jsonl', jsonLines(Array.from({ length: 40 }, (_, i) => `${i} ${'x'.repeat(2 ** 19)}`))),
    ];
    const source = await openSource({ type: 'jsonl', paths });
    let reads = 0;
    const [file] = source.files as [SourceFile];
    const files = [
      {
        ...file,
        shards: (first: number) => {
          reads++;
          return file.shards(first);
        },
      },
    ];
    const split = () => splitSources([{ ...source, files, domain: 'large' }], { ...SPLIT, cacheDirectory });
    const first = await split();
    expect(reads).toBe(1);
    const second = await split();
    expect(reads).toBe(1);
    const ids = (await readSource(source)).map(({ id }) => id);
    expect(ids.filter(first).length).toBeGreaterThan(2);
    expect(ids.filter(second)).toEqual(ids.filter(first));
  });

  it('never parts the copies of a text, in one source or in several', async () => {
    const [a, b] = [texts('a', 40), texts('b', 40)];
    const sources: SourceSpec[] = [
      { type: 'text', paths: [write('a.txt', [...a, ...b.slice(20), ...a].join('|'))], separator: '|' },
      { type: 'jsonl', paths: [write('b.jsonl', jsonLines([...b, ...b.toReversed()]))] },
      { type: 'jsonl', paths: [write('c.jsonl', jsonLines([...a, ...texts('c', 300)]))], maxTokens: 1e6 },
      // A source may well have a file twice.
      { type: 'text', paths: ['d', 'e'].map((name) => write(`${name}.txt`, texts('d', 30).join('|'))), separator: '|' },
    ];
    const { tokenizer, training, heldOut } = await prepareTokens({ sources, tokenizer: 'bytes', ...SPLIT });
    const trained = new Set(documentsOf(tokenizer, training));
    const tested = documentsOf(tokenizer, heldOut);
    expect(tested.length).toBeGreaterThan(30);
    expect(tested.filter((text) => trained.has(text))).toEqual([]);
  });

  it('splits documents by their text and the seed, wherever they stand', async () => {
    const heldOutOf = async (documents: string[]) => {
      const path = write('order.jsonl', jsonLines(documents));
      const options = { sources: [{ type: 'jsonl', paths: [path], maxTokens: 1e6 }], tokenizer: 'bytes' } as const;
      const { tokenizer, heldOut } = await prepareTokens({ ...options, ...SPLIT });
      return documentsOf(tokenizer, heldOut).toSorted();
    };
    const documents = texts('document', 200);
    const expected = await heldOutOf(documents);
    expect(await heldOutOf(documents.toReversed())).toEqual(expected);
    const grown = await heldOutOf([...texts('new', 100), ...documents]);
    expect(grown.filter((text) => !text.startsWith('new'))).toEqual(expected);
  });

  it('keeps apart in the cache what ends its texts otherwise', async () => {
    const [text] = sourcesOf([60, 10, 10]) as [SourceSpec, SourceSpec, SourceSpec];
    const cacheDirectory = join(folder, 'apart');
    const model = { ...trainBpe(ADDRESSES, { vocabularySize: 300, specialTokens: ['<a>', '<b>'] }).model };
    for (const endOfText of ['<a>', '<b>']) {
      const tokenizer = new BpeTokenizer({ ...model, endOfText }, 'the same file');
      const { training } = await prepareTokens({ sources: [text], tokenizer, ...SPLIT, cacheDirectory });
      expect(training[0]!.tokens.at(-1)).toBe(tokenizer.endOfText);
    }
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

  it('counts the words of each source up to an equal share, and of what maxTokens asks for', async () => {
    const letters = ['a', 'b', 'c'].map((name) =>
      documentSource(Array.from({ length: 100 }, (_, i) => ({ id: `${name} ${i}`, text: `${name} `.repeat(5) }))),
    );
    const counted = async (sources: typeof letters, characters: number) => {
      const { words, characters: read } = await countSourceWords(sources, { characters });
      const counts = Object.fromEntries(words.entries());
      return [read, ...['a', 'b', 'c'].map((name) => (counts[name] ?? 0) + (counts[` ${name}`] ?? 0))];
    };
    expect(await counted(letters, 300)).toEqual([300, 50, 50, 50]);
    expect(await counted(letters, 301)).toEqual([330, 55, 55, 55]);
    expect(await counted([{ ...letters[0]!, maxTokens: 2 }, ...letters.slice(1)], 300)).toEqual([210, 5, 50, 50]);
    expect(await counted(letters, 1e6)).toEqual([3000, 500, 500, 500]);
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
    await expect(prepare([text!, text!])).rejects.toThrow(
      /the sources name the same text twice, as .*plain\.txt and as .*plain\.txt, so it could be trained on and held out/,
    );
    // However it is written, and however it is cut.
    const respelt = `${folder}/../${basename(folder)}/plain.txt`;
    const again: SourceSpec = { type: 'text', paths: [respelt], separator: ' ', weight: 1 };
    await expect(prepare([text!, again])).rejects.toThrow(/the same text twice, as .*plain\.txt/);
    const copy: SourceSpec = { type: 'text', paths: [write('copy.md', readFileSync(respelt))], weight: 1 };
    await expect(prepare([text!, copy])).rejects.toThrow(/the same text twice, as .*plain\.txt and as .*copy\.md/);
    await expect(prepare([{ ...lines!, maxTokens: 1000 }])).rejects.toThrow(
      /the source of "web" has no document for the held-out part \(heldOutFraction is 0\.001\)\. Give more/,
    );
    const { weight: _, ...unweighted } = text!;
    await expect(prepare([unweighted, lines!])).rejects.toThrow(/the domain "prose" has no weight, but others have/);
    await expect(prepare([{ type: 'text', paths: [write('short.txt', 'short')] }])).rejects.toThrow(
      /the source of "short" is a single document, so none can be held out\. Give more text, cut it/,
    );
  });
});

describe('prepareTokens with sources for evaluation', () => {
  const { write } = makeFolder();
  const source = (name: string, options: Partial<SourceSpec> = {}): SourceSpec => {
    const paths = [write(`${name}/text.txt`, Array.from({ length: 30 }, (_, i) => `${name} ${i}`).join('|'))];
    return { type: 'text', paths, separator: '|', ...options } as SourceSpec;
  };
  const prepare = (sources: SourceSpec[], evaluationSources: SourceSpec[], options: Partial<PrepareOptions> = {}) =>
    prepareTokens({ sources, evaluationSources, tokenizer: 'bytes', ...SPLIT, ...options });

  it('gives them whole, besides what is held out in the proportions of the mix', async () => {
    const { tokenizer, heldOut } = await prepare(
      [source('a', { weight: 3 }), source('b', { weight: 1 })],
      [source('c')],
    );
    expect(heldOut.map(({ domain, weight, besides }) => [domain, weight, besides])).toEqual([
      ['a/text', 3, undefined],
      ['b/text', 1, undefined],
      ['c/text', undefined, true],
    ]);
    expect(tokenizer.decode(heldOut[2]!.tokens).split('<|endoftext|>')).toHaveLength(31);
    const byTokens = await prepare([source('a'), source('b')], []);
    expect(byTokens.heldOut.map(({ weight }) => weight)).toEqual(byTokens.training.map(({ tokens }) => tokens.length));
    const alone = await prepare([source('a')], [source('c')], { heldOutFraction: 0 });
    expect(alone.heldOut.map(({ domain }) => domain)).toEqual(['c/text']);
  });

  it('refuses to evaluate on what is trained on, whatever it is called', async () => {
    const trained = source('a');
    const copy: SourceSpec = {
      type: 'text',
      paths: [write('copy.md', Array.from({ length: 30 }, (_, i) => `a ${i}`).join('|'))],
    };
    for (const evaluated of [trained, copy]) {
      await expect(prepare([trained], [evaluated], { heldOutFraction: 0 })).rejects.toThrow(
        /(text\.txt|copy\.md), which is to be evaluated on, is the same text as .*text\.txt, which is trained on\. Take/,
      );
    }
  });
});
