import * as fc from 'fast-check';
import { Tokenizer as NativeTokenizer } from 'tokenizers';
import { describe, expect, it } from 'vitest';
import { BpeTokenizer } from '../src/tokenizers/bpe.ts';
import { trainBpe } from '../src/tokenizers/bpe-trainer.ts';
import { ADDRESSES, PROSE, UNICODE } from './texts.ts';

const TRAINED = trainBpe([...ADDRESSES, '漢字かな漢字かな 🙂🙂'], { vocabularySize: 2000 });
const JSON_TEXT = TRAINED.toJson();

describe('tokenizer.json', () => {
  it('gives the HF library the same ids and the same text', async () => {
    const native = NativeTokenizer.fromString(JSON_TEXT);
    await fc.assert(
      fc.asyncProperty(fc.oneof(UNICODE, PROSE), async (text) => {
        const ids = TRAINED.encode(text);
        expect([...ids]).toEqual((await native.encode(text)).getIds());
        expect(await native.decode([...ids], false)).toBe(text);
      }),
      { numRuns: 1000 },
    );
    expect([...TRAINED.encode(ADDRESSES[3]!)]).toEqual((await native.encode(ADDRESSES[3]!)).getIds());
    expect(native.getVocabSize()).toBe(TRAINED.vocabularySize);
  });

  it('is read back the same', () => {
    const read = BpeTokenizer.fromJson(JSON_TEXT);
    expect(read.vocabularySize).toBe(TRAINED.vocabularySize);
    expect(read.endOfText).toBe(TRAINED.endOfText);
    expect(read.model).toEqual(TRAINED.model);
    expect(read.toJson()).toBe(JSON_TEXT);
  });

  it('is read in the form GPT-2 has it', () => {
    const file = JSON.parse(JSON_TEXT);
    file.model.merges = file.model.merges.map((merge: string[]) => merge.join(' '));
    file.post_processor = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false };
    delete file.pre_tokenizer.use_regex;
    delete file.model.ignore_merges;
    expect(BpeTokenizer.fromJson(JSON.stringify(file)).model).toEqual(TRAINED.model);
  });

  it.each([
    ['the file', 'an object', () => []],
    ['model.type', '"BPE"', () => ({ model: { type: 'Unigram' } })],
    ['pre_tokenizer', 'an object', () => ({ pre_tokenizer: null })],
    [
      'pre_tokenizer.add_prefix_space',
      'false',
      () => ({ pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }),
    ],
    ['normalizer', 'null', () => ({ normalizer: { type: 'NFC' } })],
    ['post_processor.type', '"ByteLevel"', () => ({ post_processor: { type: 'TemplateProcessing' } })],
    ['model.vocab["a"]', 'an id', () => ({ model: { type: 'BPE', vocab: { a: -1 }, merges: [] } })],
    ['model.merges[0]', 'a pair', () => ({ model: { type: 'BPE', vocab: {}, merges: ['a b c'] } })],
    ['model.ignore_merges', 'false', () => ({ model: { type: 'BPE', ignore_merges: true } })],
    [
      'added_tokens[0].lstrip',
      'false',
      () => ({ added_tokens: [{ id: 1, content: '<s>', special: true, lstrip: true }] }),
    ],
    ['added_tokens[0].special', 'true', () => ({ added_tokens: [{ id: 1, content: '  ', special: false }] })],
  ])('names the field that is not as expected: %s', (field, expected, change) => {
    const changed = change();
    const file = Array.isArray(changed) ? changed : { ...JSON.parse(JSON_TEXT), ...changed };
    expect(() => BpeTokenizer.fromJson(JSON.stringify(file))).toThrow(`tokenizer.json: ${field} is `);
    expect(() => BpeTokenizer.fromJson(JSON.stringify(file))).toThrow(`, expected ${expected}`);
  });

  it('says when the file is cut short', () => {
    expect(() => BpeTokenizer.fromJson(JSON_TEXT.slice(0, -10))).toThrow(/not JSON; the file may be cut short/);
  });
});
