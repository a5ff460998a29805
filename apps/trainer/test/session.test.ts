import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Batch } from '@lpr/data';
import { createProgress } from '../src/cli/progress.ts';
import {
  cacheDirectory,
  calibrationText,
  evaluationText,
  loadTokens,
  vocabularyOf,
  warnOfScarce,
} from '../src/run/session.ts';
import { resolveSettings } from '../src/settings/resolve.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-session-'));
beforeAll(() => {
  vi.stubEnv('XDG_CACHE_HOME', work);
  for (const name of ['one', 'two', 'other']) {
    const documents = Array.from({ length: 20 }, (_, i) => `${name} ${i} `.repeat(60));
    writeFileSync(join(work, `${name}.txt`), documents.join('<end>'));
  }
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(work, { recursive: true });
});

function source(name: string): string {
  return `{type: text, paths: [${join(work, `${name}.txt`)}], separator: <end>}`;
}

function settingsOf(...set: string[]) {
  const sources = `data.sources=[${source('one')}, ${source('two')}]`;
  return resolveSettings({ preset: 'tiny', config: [], set: [sources, 'data.heldOutFraction=0.1', ...set] });
}

const progress = createProgress({ write: () => {} }, {});

describe('loadTokens', () => {
  it('holds some of each source out', async () => {
    const settings = settingsOf('data.tokenizer=bytes');
    const { training, heldOut, tokenizer } = await loadTokens(settings, progress);
    expect(training.map(({ domain }) => domain)).toEqual(['one', 'two']);
    expect(heldOut.map(({ domain }) => domain)).toEqual(['one', 'two']);
    expect(tokenizer.vocabularySize).toBe(257);
    // As the settings have it: the tokenizer was not made for the model.
    expect(vocabularyOf(settings, tokenizer)).toBe(512);
  });

  it('gives every seed the same tokenizer, the same training text and the same held-out text', async () => {
    // With a cache of its own each, so that both are made.
    const tokensOf = async (seed: number) => {
      vi.stubEnv('XDG_CACHE_HOME', join(work, `seed-${seed}`));
      const tokens = await loadTokens({ ...settingsOf('size.vocabulary=280'), seed }, progress);
      vi.stubEnv('XDG_CACHE_HOME', work);
      return tokens;
    };
    const [first, second] = [await tokensOf(0), await tokensOf(1)];
    expect(second.heldOut).toEqual(first.heldOut);
    expect(second.training).toEqual(first.training);
    expect(second.tokenizer.vocabularySize).toBe(280);
    expect(second.tokenizer.encode('one 1 two 2')).toEqual(first.tokenizer.encode('one 1 two 2'));
  });

  it('takes the tokenizer of a model in place of one that the text would give now', async () => {
    const settings = settingsOf('size.vocabulary=280');
    const { tokenizer } = await loadTokens(settingsOf('data.tokenizer=bytes'), progress);
    const tokens = await loadTokens(settings, progress, tokenizer);
    expect(tokens.tokenizer).toBe(tokenizer);
    expect((await loadTokens(settings, progress)).training[0]!.tokens.length).toBeLessThan(
      tokens.training[0]!.tokens.length,
    );
  });

  it('goes on without a cache where none can be written, and says which variable helps', async () => {
    writeFileSync(join(work, 'file'), '');
    vi.stubEnv('XDG_CACHE_HOME', join(work, 'file'));
    let said = '';
    const noting = createProgress({ write: (text) => (said += text) }, {});
    const { training } = await loadTokens(settingsOf('data.tokenizer=bytes'), noting);
    vi.stubEnv('XDG_CACHE_HOME', work);
    expect(training).toEqual((await loadTokens(settingsOf('data.tokenizer=bytes'), progress)).training);
    expect(said).toMatch(/warning: no cache \(Error: ENOTDIR.*Set XDG_CACHE_HOME to a folder that can be written/);
  });

  it('keeps its cache in no place that depends on where it is started', () => {
    expect(cacheDirectory({ XDG_CACHE_HOME: '/cache' })).toBe('/cache/lpr');
    for (const none of [{}, { XDG_CACHE_HOME: '' }, { XDG_CACHE_HOME: 'cache' }, { XDG_CACHE_HOME: './cache' }]) {
      vi.stubEnv('HOME', '/home/someone');
      expect(cacheDirectory(none)).toBe('/home/someone/.cache/lpr');
      vi.stubEnv('HOME', '');
      expect(cacheDirectory(none)).toBeNull();
    }
  });

  it('holds other documents out where data.heldOutSeed says so, and as many', async () => {
    const tokensOf = (...set: string[]) => loadTokens(settingsOf('data.tokenizer=bytes', ...set), progress);
    const first = await tokensOf();
    expect((await tokensOf('data.heldOutSeed=0')).heldOut).toEqual(first.heldOut);
    const other = await tokensOf('data.heldOutSeed=1');
    expect(other.heldOut).not.toEqual(first.heldOut);
    const documentsOf = ({ training, heldOut, tokenizer }: typeof first) =>
      [training, heldOut].map((streams) => {
        const text = streams.map(({ tokens }) => tokenizer.decode(tokens)).join();
        return [...new Set(text.match(/(one|two) \d+ /g))];
      }) as [string[], string[]];
    const [training, heldOut] = documentsOf(other);
    expect(heldOut).toHaveLength(documentsOf(first)[1].length);
    // No document is in both parts, or lost.
    expect([...training, ...heldOut].toSorted()).toEqual(documentsOf(first).flat().toSorted());
  });

  it('evaluates on other text whole, besides what is held out or in its place', async () => {
    const other = `evaluation.sources=[${source('other')}]`;
    const both = await loadTokens(settingsOf('data.tokenizer=bytes', other), progress);
    expect(both.heldOut.map(({ domain, besides }) => [domain, besides ?? false])).toEqual([
      ['one', false],
      ['two', false],
      ['other', true],
    ]);
    const alone = await loadTokens(settingsOf('data.tokenizer=bytes', other, 'data.heldOutFraction=0'), progress);
    expect(alone.heldOut.map(({ domain }) => domain)).toEqual(['other']);
    const text = alone.tokenizer.decode(alone.heldOut[0]!.tokens);
    for (let i = 0; i < 20; i++) expect(text).toContain(`other ${i} `);
  });

  it('wants room for every token, and text for a sequence of each domain', async () => {
    await expect(loadTokens(settingsOf('data.tokenizer=bytes', 'data.sequenceLength=4000'), progress)).rejects.toThrow(
      'the held-out part of one has only',
    );
    const { tokenizer } = await loadTokens(settingsOf('size.vocabulary=280'), progress);
    const path = join(work, 'tokenizer.json');
    writeFileSync(path, tokenizer.toJson());
    await expect(
      loadTokens(settingsOf(`data.tokenizer={path: ${path}}`, 'size.vocabulary=270'), progress),
    ).rejects.toThrow(`but the tokenizer has ${tokenizer.vocabularySize} tokens; raise it`);
  });
});

describe('evaluationText', () => {
  it('reads a sequence of each domain at least, and says how many tokens there are', () => {
    const streams = ['a', 'b'].map((domain) => ({ domain, tokens: new Int32Array(100) }));
    for (const tokens of [1, 64, 1000]) {
      const { batches, total } = evaluationText(streams, 16, { tokens, batchSize: 2 });
      const read = [...batches()];
      expect(read.reduce((sum, { inputIds }) => sum + inputIds.length, 0)).toBe(total);
      expect(new Set(read.flatMap(({ domains }) => domains))).toEqual(new Set(['a', 'b']));
    }
  });

  it('says which domain has too little text for its share', () => {
    const streams = [100, 1000].map((length, i) => ({ domain: 'ab'[i]!, tokens: new Int32Array(length), weight: 1 }));
    let said = '';
    const noting = createProgress({ write: (text) => (said += text) }, {});
    const { scarce, total } = evaluationText(streams, 16, { tokens: 640, batchSize: 2 });
    warnOfScarce(scarce, noting);
    expect(total).toBe(13 * 16);
    expect(said).toMatch(
      /a has 96 tokens to evaluate on, too few for its share of 640, so only 208 are evaluated, in the/,
    );
    warnOfScarce(evaluationText(streams, 16, { tokens: 192, batchSize: 2 }).scarce, noting);
    expect(said.match(/warning/g)).toHaveLength(1);
  });
});

describe('calibrationText', () => {
  it('is that of an evaluation, in smaller batches where there would be fewer than 64', () => {
    const stream = { domain: 'a', tokens: Int32Array.from({ length: 10_001 }, (_, i) => i) };
    const sizesOf = (tokens: number, batchSize: number): number[] => {
      const { batches, total } = calibrationText([stream], 10, { tokens, batchSize });
      const { batches: whole } = evaluationText([stream], 10, { tokens, batchSize: 1 });
      const read = [...batches()];
      const ids = (from: Iterable<Batch>): number[] => [...from].flatMap(({ inputIds }) => [...inputIds]);
      expect(ids(read)).toEqual(ids(whole()));
      expect(total).toBe(ids(read).length);
      return [...new Set(read.map(({ batch }) => batch))];
    };
    // 1,000 sequences, 640 and 64 of them, and fewer than there are to be batches.
    expect(sizesOf(10_000, 4)).toEqual([4]);
    expect(sizesOf(10_000, 100)).toEqual([15, 10]);
    expect(sizesOf(6_400, 16)).toEqual([10]);
    expect(sizesOf(640, 16)).toEqual([1]);
    expect(sizesOf(100, 16)).toEqual([1]);
  });
});
