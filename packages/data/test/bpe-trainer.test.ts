import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { BPE, byteLevelPreTokenizer, Tokenizer as NativeTokenizer } from 'tokenizers';
import { describe, expect, it } from 'vitest';
import { type BpeTrainingProgress, trainBpe, WordCounts } from '../src/tokenizers/bpe-trainer.ts';
import { splitWords, writeBytes } from '../src/tokenizers/byte-level.ts';
import { ADDRESSES, PROSE } from './texts.ts';

/** The algorithm as it is told: count all pairs anew, merge the best everywhere, repeat. */
function trainNaively(texts: readonly string[], mergeCount: number, minFrequency: number): string[] {
  const alphabet = Array.from({ length: 256 }, (_, byte) => writeBytes(Uint8Array.of(byte))).toSorted();
  const ids = new Map(alphabet.map((token, id) => [token, id]));
  let words = texts
    .flatMap((text) => splitWords(text))
    .map((word) => writeBytes(new TextEncoder().encode(word)).split(''));
  const merges: string[] = [];
  while (ids.size < 256 + mergeCount) {
    const counts = new Map<string, number>();
    for (const word of words) {
      for (let place = 0; place + 1 < word.length; place++) {
        const pair = `${word[place]} ${word[place + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const idsOf = (pair: string): number[] => pair.split(' ').map((token) => ids.get(token)!);
    const [best] = [...counts].toSorted(([a, countA], [b, countB]) => {
      const [leftA, rightA] = idsOf(a);
      const [leftB, rightB] = idsOf(b);
      return countB - countA || leftA! - leftB! || rightA! - rightB!;
    });
    if (best === undefined || best[1] < minFrequency) {
      break;
    }
    const [left, right] = best[0].split(' ');
    merges.push(best[0]);
    const token = `${left}${right}`;
    ids.set(token, ids.get(token) ?? ids.size);
    words = words.map((word) => {
      const merged: string[] = [];
      for (let place = 0; place < word.length; place++) {
        const found = word[place] === left && word[place + 1] === right;
        merged.push(found ? token : word[place]!);
        place += found ? 1 : 0;
      }
      return merged;
    });
  }
  return merges;
}

const mergesOf = (texts: readonly string[], vocabularySize: number, minFrequency: number): string[] =>
  trainBpe(texts, { vocabularySize, minFrequency }).model.merges.map((merge) => merge.join(' '));

describe('trainBpe', () => {
  it('makes the merges of the naive algorithm', () => {
    const repetitive = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' '), maxLength: 200 });
    fc.assert(
      fc.property(
        fc.array(fc.oneof(repetitive, PROSE), { maxLength: 4 }),
        fc.integer({ min: 1, max: 3 }),
        (texts, least) => {
          expect(mergesOf(texts, 257 + 60, least)).toEqual(trainNaively(texts, 60, least));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('makes the merges of the HF trainer', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lpr-data-'));
    try {
      const text = ADDRESSES.join('\n');
      writeFileSync(join(folder, 'text.txt'), text);
      // Its defaults are a vocabulary of 30,000, no least frequency, and training line by line.
      const native = new NativeTokenizer(BPE.empty());
      native.setPreTokenizer(byteLevelPreTokenizer(false, true));
      native.train([join(folder, 'text.txt')]);
      native.save(join(folder, 'tokenizer.json'));
      const saved: { model: { merges: [string, string][] } } = JSON.parse(
        readFileSync(join(folder, 'tokenizer.json'), 'utf8'),
      );
      const expected = saved.model.merges.map((merge) => merge.join(' '));
      const merges = mergesOf(text.split(/(?<=\n)/), 8000, 1);
      expect(merges).toHaveLength(8000 - 257);
      expect(merges).toEqual(expected.slice(0, merges.length));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('gives ids to special tokens first, then bytes, then merges', () => {
    const tokenizer = trainBpe(['aaaa'], {
      vocabularySize: 260,
      minFrequency: 1,
      specialTokens: ['<|endoftext|>', '<|user|>'],
    });
    expect(tokenizer.vocabularySize).toBe(260);
    expect(tokenizer.endOfText).toBe(0);
    expect(tokenizer.decode([1])).toBe('<|user|>');
    expect(tokenizer.decode([2])).toBe('!');
    expect(tokenizer.decode([258])).toBe('aa');
    expect(tokenizer.decode([259])).toBe('aaaa');
    expect([...tokenizer.encode('aaaa<|user|>')]).toEqual([259, 1]);
  });

  it('stops where no pair is frequent enough', () => {
    expect(mergesOf(['ab ab cd'], 1000, 2)).toEqual(['a b']);
    expect(trainBpe(['ab ab cd'], { vocabularySize: 1000 }).vocabularySize).toBe(258);
    expect(trainBpe([], { vocabularySize: 1000 }).vocabularySize).toBe(257);
  });

  it('tells how it comes on', () => {
    const seen: BpeTrainingProgress[] = [];
    trainBpe(['ab ab', 'abc'], { vocabularySize: 258, onProgress: (progress) => seen.push(progress) });
    expect(seen).toEqual([
      { phase: 'counting', completed: 5, total: 8 },
      { phase: 'counting', completed: 8, total: 8 },
      { phase: 'merging', completed: 258, total: 258 },
    ]);
  });

  it('says which option is wrong', () => {
    expect(() => trainBpe([], { vocabularySize: 256 })).toThrow(
      /at least 257 \(256 bytes and 1 special tokens\) and at most 67108864, got 256/,
    );
    expect(() => trainBpe([], { vocabularySize: 300, minFrequency: 0 })).toThrow(/minFrequency must be .* got 0/);
    expect(() => trainBpe([], { vocabularySize: 300, specialTokens: ['<s>', '<s>'] })).toThrow(
      /specialTokens must differ/,
    );
    expect(() => trainBpe([], { vocabularySize: 300, specialTokens: ['a'] })).toThrow(/two characters/);
  });
});

describe('WordCounts', () => {
  it('counts texts one by one as all at once', () => {
    const words = new WordCounts();
    for (const text of ADDRESSES) {
      words.add(text);
    }
    const options = { vocabularySize: 600 };
    expect(trainBpe(words, options).toJson()).toBe(trainBpe(ADDRESSES, options).toJson());
  });

  it('keeps to its size, and keeps the words that matter', () => {
    const words = new WordCounts(100);
    for (let text = 0; text < 2000; text++) {
      words.add(`often${'a'.repeat(text % 10)}! rare${text}`);
      expect([...words.entries()].length).toBeLessThanOrEqual(100);
    }
    const counts = new Map(words.entries());
    for (let length = 0; length < 10; length++) {
      expect(counts.get(`often${'a'.repeat(length)}`)).toBe(200);
    }
  });
});
