import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TokenStream } from '../src/batches.ts';
import { splitDocuments } from '../src/documents.ts';
import { prepareTokens } from '../src/prepare.ts';
import { documentSource } from '../src/sources/source.ts';
import { ADDRESSES } from './texts.ts';

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
