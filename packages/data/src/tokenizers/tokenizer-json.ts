/**
 * The HF `tokenizer.json` of byte-level BPE: model `BPE`, pre-tokenizer and decoder `ByteLevel`, or what Qwen2 has
 * before that, special tokens in `added_tokens`. Settings that would change the ids in a way we do not follow are
 * refused by name, never passed over.
 */

import type { BpeModel } from './bpe.ts';
import { excerptOf } from '../excerpt.ts';
import { findOtherId } from './added-tokens.ts';
import { BYTE_CHARACTERS, QWEN2_PATTERN, type WordRule } from './byte-level.ts';

/** Thrown for a file that is not byte-level BPE as it is read here. */
export class UnsupportedTokenizer extends Error {
  override readonly name: string = 'UnsupportedTokenizer';
}

const GPT2_WORDS = {
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
};
const QWEN2_WORDS = {
  normalizer: { type: 'NFC' },
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: QWEN2_PATTERN }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
    ],
  },
};

/** Writes the file's text: vocabulary in the order of ids, merges as pairs. */
export function writeTokenizerJson(model: BpeModel): string {
  const byId = [...model.vocabulary].toSorted(([, a], [, b]) => a - b);
  const file = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...model.specialTokens].map(([content, id]) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    ...(model.words === 'qwen2' ? QWEN2_WORDS : GPT2_WORDS),
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(byId),
      merges: model.merges,
    },
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/**
 * Reads the file's text. Merges may be pairs or, as older files have them, one string with a space.
 *
 * @throws UnsupportedTokenizer naming the field, what it holds and what is expected; Error when the text is not JSON
 */
export function parseTokenizerJson(json: string): BpeModel {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    throw new Error('tokenizer.json: not JSON; the file may be cut short.', { cause });
  }
  const file = asObject(parsed, 'the file');
  const model = asObject(file['model'], 'model');
  const words = parseWords(file);
  const decoder = asObject(file['decoder'], 'decoder');
  expect('version', file['version'], ['1.0', undefined]);
  expect('model.type', model['type'], ['BPE']);
  expect('decoder.type', decoder['type'], ['ByteLevel']);
  expect('truncation', file['truncation'], [null, undefined]);
  expect('padding', file['padding'], [null, undefined]);
  expect('model.dropout', model['dropout'], [null, undefined, 0]);
  expect('model.continuing_subword_prefix', model['continuing_subword_prefix'], [null, undefined, '']);
  expect('model.end_of_word_suffix', model['end_of_word_suffix'], [null, undefined, '']);
  expect('model.ignore_merges', model['ignore_merges'], [false, undefined]);
  // A ByteLevel post-processor moves offsets only; others add tokens.
  const postProcessor = file['post_processor'] ?? null;
  if (postProcessor !== null) {
    expect('post_processor.type', asObject(postProcessor, 'post_processor')['type'], ['ByteLevel']);
  }
  const vocabulary = new Map(
    Object.entries(asObject(model['vocab'], 'model.vocab')).map(([token, id]) => [
      token,
      asId(id, `model.vocab[${JSON.stringify(token)}]`),
    ]),
  );
  expectUnknownLeftOut(model, vocabulary);
  return {
    words,
    vocabulary,
    merges: asArray(model['merges'], 'model.merges')
      // The first line of the files of merges that GPT-2 came with.
      .filter((merge) => !(typeof merge === 'string' && merge.startsWith('#version')))
      .map((merge, rank) => asMerge(merge, `model.merges[${rank}]`)),
    specialTokens: parseSpecialTokens(file, words, vocabulary),
  };
}

/** Bytes without a token are left out; other files say what stands for them. */
function expectUnknownLeftOut(model: Record<string, unknown>, vocabulary: ReadonlyMap<string, number>): void {
  const mayNotBe = BYTE_CHARACTERS.every((byte) => vocabulary.has(byte));
  for (const option of ['fuse_unk', 'byte_fallback']) {
    expect(`model.${option}`, model[option], mayNotBe ? [false, true, null, undefined] : [false, null, undefined]);
  }
  const { unk_token: unknown } = model;
  if (!(mayNotBe && typeof unknown === 'string')) expect('model.unk_token', unknown, [null, undefined]);
}

function parseSpecialTokens(
  file: Record<string, unknown>,
  words: WordRule,
  vocabulary: ReadonlyMap<string, number>,
): Map<string, number> {
  const tokens = asArray(file['added_tokens'] ?? [], 'added_tokens').map((token, index) =>
    asObject(token, `added_tokens[${index}]`),
  );
  // Tokens that are normalised are looked for after the others, and without a normaliser as the others are.
  const normalized = words === 'gpt2' ? [tokens[0]?.['normalized'] === true] : [false];
  const special = tokens.map((token, index) => {
    const written = asSpecialToken(token, `added_tokens[${index}]`);
    expect(`added_tokens[${index}].normalized`, token['normalized'], normalized);
    return written;
  });
  const other = findOtherId(special, (content) => vocabulary.get(content), vocabulary.size);
  if (other !== null) throw wrong(`added_tokens[${other.index}].id`, special[other.index]!.id, String(other.expected));
  return new Map(special.map(({ content, id }) => [content, id]));
}

function parseWords(file: Record<string, unknown>): WordRule {
  const preTokenizer = asObject(file['pre_tokenizer'], 'pre_tokenizer');
  if (preTokenizer['type'] !== 'Sequence') {
    expect('pre_tokenizer.type', preTokenizer['type'], ['ByteLevel']);
    expect('pre_tokenizer.add_prefix_space', preTokenizer['add_prefix_space'], [false]);
    expect('pre_tokenizer.use_regex', preTokenizer['use_regex'], [true, undefined]);
    expect('normalizer', file['normalizer'], [null, undefined]);
    return 'gpt2';
  }
  expect('normalizer.type', asObject(file['normalizer'], 'normalizer')['type'], ['NFC']);
  const steps = asArray(preTokenizer['pretokenizers'], 'pre_tokenizer.pretokenizers');
  expect('pre_tokenizer.pretokenizers.length', steps.length, [2]);
  const [split, bytes] = steps.map((step, index) => asObject(step, `pre_tokenizer.pretokenizers[${index}]`));
  const pattern = asObject(split!['pattern'], 'pre_tokenizer.pretokenizers[0].pattern');
  expect('pre_tokenizer.pretokenizers[0].type', split!['type'], ['Split']);
  expect('pre_tokenizer.pretokenizers[0].pattern.Regex', pattern['Regex'], [QWEN2_PATTERN]);
  expect('pre_tokenizer.pretokenizers[0].behavior', split!['behavior'], ['Isolated']);
  expect('pre_tokenizer.pretokenizers[0].invert', split!['invert'], [false, undefined]);
  expect('pre_tokenizer.pretokenizers[1].type', bytes!['type'], ['ByteLevel']);
  expect('pre_tokenizer.pretokenizers[1].add_prefix_space', bytes!['add_prefix_space'], [false]);
  expect('pre_tokenizer.pretokenizers[1].use_regex', bytes!['use_regex'], [false]);
  return 'qwen2';
}

function asSpecialToken(token: Record<string, unknown>, field: string): { content: string; id: number } {
  // A token that is not special is matched in the same way, as long as that is before the text is normalised.
  expect(`${field}.special`, token['special'], token['normalized'] === false ? [true, false] : [true]);
  for (const option of ['lstrip', 'rstrip', 'single_word']) {
    expect(`${field}.${option}`, token[option], [false]);
  }
  return { content: asString(token['content'], `${field}.content`), id: asId(token['id'], `${field}.id`) };
}

function asMerge(value: unknown, field: string): [string, string] {
  const parts = typeof value === 'string' ? value.split(' ') : value;
  if (!Array.isArray(parts) || parts.length !== 2) {
    throw wrong(field, value, 'a pair of tokens');
  }
  return [asString(parts[0], `${field}[0]`), asString(parts[1], `${field}[1]`)];
}

function expect(field: string, value: unknown, allowed: readonly unknown[]): void {
  if (!allowed.includes(value)) {
    throw wrong(field, value, JSON.stringify(allowed[0]));
  }
}

function asObject(value: unknown, field: string): Record<string, unknown> {
  if (!isObject(value)) {
    throw wrong(field, value, 'an object');
  }
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asArray(value: unknown, field: string): unknown[] {
  if (!Array.isArray(value)) {
    throw wrong(field, value, 'an array');
  }
  return value;
}

function asString(value: unknown, field: string): string {
  if (typeof value !== 'string' || value === '') {
    throw wrong(field, value, 'a string that is not empty');
  }
  return value;
}

function asId(value: unknown, field: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= 2 ** 31) {
    throw wrong(field, value, 'an id (an integer from 0)');
  }
  return value;
}

function wrong(field: string, value: unknown, expected: string): UnsupportedTokenizer {
  const got = excerptOf(value);
  return new UnsupportedTokenizer(
    `tokenizer.json: ${field} is ${got}, expected ${expected}. Only byte-level BPE as GPT-2 or Qwen has it is read here; ` +
      'read other tokenizers with the @huggingface/tokenizers package.',
  );
}
