import { BpeTokenizer, HuggingFaceTokenizer, trainBpe } from '@lpr/data';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TextWriter } from '../src/commands/generate.ts';

// With the bytes alone for what is no English: characters are cut in pieces.
const tokenizer: BpeTokenizer = trainBpe(['the state of the union is the state of the union'], { vocabularySize: 270 });

function written(tokens: Iterable<number>): string[] {
  const parts: string[] = [];
  const writer = new TextWriter(tokenizer, (part) => parts.push(part));
  for (const token of tokens) writer.add(token);
  writer.end();
  return parts;
}

describe('TextWriter', () => {
  it('writes any text as it was, in parts that cut no character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        fc.pre(!text.includes('\uFFFD'));
        const parts = written(tokenizer.encode(text));
        expect(parts.join('')).toBe(text);
        for (const part of parts) expect(part).not.toContain('\uFFFD');
      }),
    );
  });

  it('does not wait for what never comes', () => {
    const [start] = tokenizer.encode('é');
    expect(written([start!, start!, start!, start!, start!])).toEqual(['\uFFFD'.repeat(4), '\uFFFD']);
    expect(written([...tokenizer.encode('the'), start!]).join('')).toBe('the\uFFFD');
  });

  it('keeps the spaces of tokenizers that drop the one which begins a text', () => {
    const space = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
    const vocabulary = ['<unk>', '▁the', '▁house', '▁', 'e', 's'].map((token, i) => [token, -i]);
    const pieces = new HuggingFaceTokenizer(
      JSON.stringify({
        version: '1.0',
        added_tokens: [],
        normalizer: null,
        pre_tokenizer: space,
        post_processor: null,
        decoder: space,
        model: { type: 'Unigram', unk_id: 0, vocab: vocabulary, byte_fallback: false },
      }),
    );
    const tokens = pieces.encode('the house the houses');
    for (let at = 0; at < tokens.length; at++) {
      const parts = [pieces.decode(tokens.subarray(0, at))];
      const writer = new TextWriter(pieces, (part) => parts.push(part), tokens.subarray(0, at));
      for (const token of tokens.subarray(at)) writer.add(token);
      writer.end();
      expect(parts.join('')).toBe('the house the houses');
    }
  });
});
