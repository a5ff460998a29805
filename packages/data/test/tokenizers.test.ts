import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BpeTokenizer } from '../src/tokenizers/bpe.ts';
import { trainBpe } from '../src/tokenizers/bpe-trainer.ts';
import { readBytes, splitWords, writeBytes } from '../src/tokenizers/byte-level.ts';
import { ByteTokenizer } from '../src/tokenizers/bytes.ts';
import type { Tokenizer } from '../src/tokenizers/tokenizer.ts';
import { ADDRESSES, PROSE, UNICODE } from './texts.ts';

const TOKENIZERS: [string, Tokenizer][] = [
  ['ByteTokenizer', new ByteTokenizer()],
  ['BpeTokenizer', trainBpe(ADDRESSES, { vocabularySize: 600 })],
];

const tokensOf = (tokenizer: BpeTokenizer, text: string): string[] =>
  Array.from(tokenizer.encode(text), (id) => tokenizer.decode([id]));

describe.each(TOKENIZERS)('%s', (_, tokenizer) => {
  it('decodes what it encoded, for any text, into ids of its vocabulary', () => {
    fc.assert(
      fc.property(fc.oneof(UNICODE, PROSE), (text) => {
        const ids = tokenizer.encode(text);
        expect(tokenizer.decode(ids)).toBe(text);
        expect(ids.every((id) => id >= 0 && id < tokenizer.vocabularySize)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('encodes lone surrogates as U+FFFD', () => {
    expect(tokenizer.decode(tokenizer.encode('a\ud800b\udc00'))).toBe('a\ufffdb\ufffd');
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0xd7fe, max: 0xe001 })), (units) => {
        const text = String.fromCharCode(...units);
        const wellFormed = new TextDecoder().decode(new TextEncoder().encode(text));
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(wellFormed);
      }),
    );
  });

  it('makes the end of a text written out in a text one token', () => {
    const ids = tokenizer.encode('end<|endoftext|>start');
    expect([...ids].filter((id) => id === tokenizer.endOfText)).toHaveLength(1);
    expect([...ids]).toEqual([...tokenizer.encode('end'), tokenizer.endOfText, ...tokenizer.encode('start')]);
    expect([...tokenizer.encode('<|endoftext|>')]).toEqual([tokenizer.endOfText]);
  });

  it('keeps a byte order mark, and decodes a character cut in two as U+FFFD', () => {
    expect(tokenizer.decode(tokenizer.encode('\ufeffa'))).toBe('\ufeffa');
    const smile = tokenizer.encode('🙂');
    expect(smile.length).toBeGreaterThan(1);
    expect(tokenizer.decode(smile.subarray(0, 1))).toBe('\ufffd');
  });

  it('encodes nothing as nothing', () => {
    expect(tokenizer.encode('')).toEqual(new Int32Array());
    expect(tokenizer.decode([])).toBe('');
  });

  it('refuses ids that are not in the vocabulary', () => {
    for (const id of [-1, tokenizer.vocabularySize, 1.5]) {
      expect(() => tokenizer.decode([0, id])).toThrow(`${id} is not a token id`);
    }
  });
});

describe('ByteTokenizer', () => {
  it('has the bytes of UTF-8 as ids', () => {
    expect([...new ByteTokenizer().encode('aé')]).toEqual([0x61, 0xc3, 0xa9]);
  });
});

describe('BpeTokenizer', () => {
  const alphabet = Array.from({ length: 256 }, (_, byte) => writeBytes(Uint8Array.of(byte)));
  const tokenizerOf = (merges: [string, string][], specialTokens: string[] = []): BpeTokenizer => {
    const tokens = [...alphabet, ...new Set(merges.map((merge) => merge.join('')))];
    return new BpeTokenizer({
      vocabulary: new Map(tokens.map((token, id) => [token, id])),
      merges,
      specialTokens: new Map(specialTokens.map((token, index) => [token, tokens.length + index])),
    });
  };

  it('merges by rank first, then from the left', () => {
    const tokenizer = tokenizerOf([
      ['b', 'c'],
      ['a', 'b'],
      ['a', 'a'],
      ['aa', 'bc'],
    ]);
    expect(tokensOf(tokenizer, 'abc')).toEqual(['a', 'bc']);
    expect(tokensOf(tokenizer, 'aaa')).toEqual(['aa', 'a']);
    expect(tokensOf(tokenizer, 'aabcab')).toEqual(['aabc', 'ab']);
  });

  it('does not slow down on a word without end', () => {
    const tokenizer = tokenizerOf([
      ['a', 'b'],
      ['ab', 'ab'],
      ['abab', 'abab'],
    ]);
    expect(tokenizer.encode('ab'.repeat(100_000))).toHaveLength(25_000);
  });

  it('takes the longest special token that begins at a place', () => {
    const tokenizer = tokenizerOf([], ['<a>', '<a>(b)']);
    expect(tokensOf(tokenizer, 'x<a>(b)<a>')).toEqual(['x', '<a>(b)', '<a>']);
    expect(tokenizer.endOfText).toBeNull();
  });

  it('says which token the vocabulary lacks', () => {
    const model = { merges: [], specialTokens: new Map<string, number>() };
    const vocabulary = new Map(alphabet.map((token, id) => [token, id]));
    expect(() => new BpeTokenizer({ ...model, vocabulary, merges: [['a', 'b']] })).toThrow(/has no token "ab"/);
  });
});

describe('the byte alphabet', () => {
  it('writes GPT-2’s characters and reads them back', () => {
    // In GPT-2's vocabulary a space is Ġ, a line feed Ċ, and é is Ã©.
    expect(writeBytes(new TextEncoder().encode('a \né'))).toBe('aĠĊÃ©');
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    expect(readBytes(writeBytes(bytes))).toEqual(bytes);
    expect(new Set(writeBytes(bytes)).size).toBe(256);
    expect(readBytes('a b')).toBeNull();
  });
});

describe('splitWords', () => {
  it('cuts as GPT-2 does', () => {
    expect(splitWords("We'll  pay 12 dollars?!\n\n Don't")).toEqual([
      'We',
      "'ll",
      ' ',
      ' pay',
      ' 12',
      ' dollars',
      '?!',
      '\n\n',
      ' Don',
      "'t",
    ]);
  });

  it('loses nothing', () => {
    fc.assert(
      fc.property(fc.oneof(UNICODE, PROSE), (text) => {
        expect(splitWords(text).join('')).toBe(text);
      }),
    );
  });
});
