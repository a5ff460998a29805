/**
 * The fields of a `tokenizer.json` that decide on ids, as the Rust library reads them: it refuses others in their
 * place.
 */

import * as z from 'zod';
import type { AddedToken } from './added-tokens.ts';
import { isPart, type Schemas } from './parts.ts';

const flag = z.boolean('true or false');
const text = z.string('a string');
const list = z.array(z.unknown(), 'a list');
const pattern = z.union(
  [z.strictObject({ String: text }), z.strictObject({ Regex: text })],
  'an object with "String" or "Regex"',
);
/** Larger ones are no row of an embedding. */
const ID = 'an id (an integer from 0)';
const id = z
  .int(ID)
  .min(0, ID)
  .max(2 ** 31 - 1, ID);

const addedToken = z.object(
  {
    id,
    content: text.min(1, 'a string that is not empty'),
    single_word: flag,
    lstrip: flag,
    rstrip: flag,
    normalized: flag,
    special: flag,
  },
  'an object',
);

/** What a file has beside its parts. */
export const FILE: z.ZodType<{
  readonly added_tokens: readonly (AddedToken & { readonly single_word: boolean })[];
}> = z.object(
  {
    version: z.literal('1.0', '"1.0"').optional(),
    added_tokens: z.array(addedToken, 'a list').default([]),
  },
  'an object',
);

/** What counts of byte-pair encoding. */
export interface BpeFile {
  readonly vocab: Readonly<Record<string, number>>;
  readonly merges: readonly (readonly [string, string])[];
  readonly dropout?: number | null | undefined;
  readonly unk_token?: string | null | undefined;
  readonly continuing_subword_prefix?: string | null | undefined;
  readonly end_of_word_suffix?: string | null | undefined;
  readonly fuse_unk?: boolean | null | undefined;
  readonly byte_fallback?: boolean | null | undefined;
  readonly ignore_merges?: boolean | null | undefined;
}

/** Large ones are gone over by hand: schemas of their entries take seconds. */
const vocabulary = z.unknown().superRefine((vocab, context) => {
  if (!isPart(vocab)) return context.addIssue('an object of ids by token');
  for (const token of Object.keys(vocab)) {
    const value = vocab[token];
    if (!isId(value)) return context.addIssue({ code: 'custom', path: [token], message: ID });
  }
});
/** As older files have them: a text with one space, and a first line that is none of them. */
const merges = z.unknown().transform((list, context) => {
  if (!Array.isArray(list)) {
    context.addIssue('a list of merges');
    return z.NEVER;
  }
  const pairs: [string, string][] = [];
  for (const [rank, merge] of list.entries()) {
    if (typeof merge === 'string' && merge.startsWith('#version')) continue;
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    if (isPair(pair)) pairs.push(pair);
    else {
      context.addIssue({ code: 'custom', path: [rank], message: 'a pair of tokens' });
      return z.NEVER;
    }
  }
  return pairs;
});

const scoredTokens = z.unknown().superRefine((vocab, context) => {
  if (!Array.isArray(vocab)) return context.addIssue('a list of tokens and scores');
  for (const [index, entry] of vocab.entries()) {
    const isScored = Array.isArray(entry) && entry.length === 2 && typeof entry[0] === 'string';
    if (!isScored || typeof entry[1] !== 'number')
      return context.addIssue({ code: 'custom', path: [index], message: 'a token and its score' });
  }
});

function isPair(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && typeof value[1] === 'string';
}

function isId(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;
}

const bpe = z.object({
  unk_token: text.nullish(),
  continuing_subword_prefix: text.nullish(),
  dropout: z.number('a number').nullish(),
  end_of_word_suffix: text.nullish(),
  fuse_unk: flag.nullish(),
  byte_fallback: flag.nullish(),
  ignore_merges: flag.nullish(),
  vocab: vocabulary,
  merges,
});

export const MODELS: Schemas = {
  BPE: bpe,
  WordPiece: z.object({
    unk_token: text,
    continuing_subword_prefix: text,
    max_input_chars_per_word: z.int('an integer from 0').min(0, 'an integer from 0'),
    vocab: vocabulary,
  }),
  Unigram: z.object({
    unk_id: id.nullish(),
    byte_fallback: flag.nullish(),
    vocab: scoredTokens,
  }),
};

export const NORMALIZERS: Schemas = {
  Sequence: z.object({ normalizers: list }),
  NFC: z.object({}),
  NFD: z.object({}),
  NFKC: z.object({}),
  NFKD: z.object({}),
  Lowercase: z.object({}),
  StripAccents: z.object({}),
  Strip: z.object({ strip_left: flag, strip_right: flag }),
  Prepend: z.object({ prepend: text }),
  Replace: z.object({ pattern, content: text }),
  BertNormalizer: z.object({
    clean_text: flag,
    handle_chinese_chars: flag,
    strip_accents: flag.nullish(),
    lowercase: flag,
  }),
};

export const PRE_TOKENIZERS: Schemas = {
  Sequence: z.object({ pretokenizers: list }),
  Whitespace: z.object({}),
  WhitespaceSplit: z.object({}),
  BertPreTokenizer: z.object({}),
  Digits: z.object({ individual_digits: flag }),
  Punctuation: z.object({ behavior: text.optional() }),
  ByteLevel: z.object({ add_prefix_space: flag, use_regex: flag.optional() }),
  Metaspace: z.object({
    replacement: text.refine((sign) => Array.from(sign).length === 1, 'one character'),
    add_prefix_space: flag.nullish(),
    prepend_scheme: z.enum(['always', 'first', 'never'], '"always", "first" or "never"').optional(),
    split: flag.optional(),
  }),
  Split: z.object({ pattern, behavior: text, invert: flag }),
};

export const DECODERS: Schemas = {
  Sequence: z.object({ decoders: list }),
  Replace: z.object({ pattern, content: text }),
};

/** They are passed over, but for what the Rust library would refuse. */
export const POST_PROCESSORS: Schemas = {
  Sequence: z.object({ processors: list }),
  ByteLevel: z.object({}),
  BertProcessing: z.object({}),
  RobertaProcessing: z.object({}),
  TemplateProcessing: z.object({ single: list }),
};
