/**
 * What `@huggingface/tokenizers` computes otherwise than the Rust library, which makes every `tokenizer.json`: such
 * parts of a file are put in terms of parts that both compute alike, or refused by name. Never are other ids given
 * without a word. test/exact-parts.test.ts holds each part to the Rust library.
 *
 * `truncation` and `post_processor` are passed over: texts are encoded whole, and no tokens are put around them.
 */

import { excerptOf } from '../excerpt.ts';

type Part = Readonly<Record<string, unknown>>;

/** Thrown for a part whose ids would be others. */
export class InexactTokenizer extends Error {
  override readonly name: string = 'InexactTokenizer';
}

/**
 * The file as it is to be given to `@huggingface/tokenizers`.
 *
 * @param file what a `tokenizer.json` holds
 * @throws InexactTokenizer naming the part that is not computed as the Rust library does
 */
export function exactParts(file: unknown): unknown {
  if (!isPart(file)) return file;
  const padding = file['padding'] ?? null;
  if (padding !== null) throw inexact('padding', padding);
  const added = partsOf(file['added_tokens'], 'added_tokens');
  for (const [place, token] of added) {
    if (token['single_word'] === true) throw inexact(`${place}.single_word`, true);
  }
  // Where tokens are found only after normalisation, the first words of what is between them are not told apart.
  const isFirstKnown = added.every(([, token]) => token['normalized'] === false);
  const model = exactModel(file['model']);
  return {
    ...file,
    model,
    normalizer: normalizerOf(file['normalizer'] ?? null, 'normalizer'),
    pre_tokenizer: preTokenizerOf(file['pre_tokenizer'] ?? null, 'pre_tokenizer', isFirstKnown) ?? wordsOfPieces(model),
  };
}

/** Whether a file cuts texts into words before its model has them. */
export function cutsWords(file: unknown): boolean {
  return isPart(file) && isPart(file['pre_tokenizer']);
}

/** Tokens of a file that take the white space beside them. */
export function strippingTokens(file: unknown): string[] {
  return partsOf(isPart(file) ? file['added_tokens'] : null, 'added_tokens').flatMap(([, token]) =>
    (token['lstrip'] === true || token['rstrip'] === true) && typeof token['content'] === 'string'
      ? [token['content']]
      : [],
  );
}

function exactModel(model: unknown): unknown {
  if (!isPart(model)) return model;
  const { type, dropout } = model;
  if (dropout !== undefined && dropout !== null && dropout !== 0) throw inexact('model.dropout', dropout);
  if (type === 'BPE') {
    const prefix = model['continuing_subword_prefix'] ?? '';
    if (prefix !== '') throw inexact('model.continuing_subword_prefix', prefix);
  } else if (type === 'Unigram' && model['byte_fallback'] === true) {
    throw inexact('model.byte_fallback', true);
  } else if (type === 'WordLevel') throw inexact('model.type', type);
  return model;
}

/** The white space of Unicode; JavaScript's own has U+FEFF and lacks U+0085. */
const SPACE = String.raw`\p{White_Space}`;
/** Of BERT and of the part Punctuation: ASCII's, with signs such as $ and +, and Unicode's. */
const PUNCTUATION = String.raw`[\p{P}\u0021-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007E]`;
/** `\w` of Rust's regular expressions. */
const WORD = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200C\u200D`;
const GPT2_WORDS = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
/** The ideographs that BERT sets apart. */
const IDEOGRAPHS =
  String.raw`[\u4E00-\u9FFF\u3400-\u4DBF\uF900-\uFAFF\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F}` +
  String.raw`\x{2B920}-\x{2CEAF}\x{2F800}-\x{2FA1F}]`;

function normalizerOf(part: unknown, place: string): unknown {
  if (!isPart(part)) return part;
  switch (part['type']) {
    case 'Sequence':
      return sequence(
        'normalizers',
        partsOf(part['normalizers'], `${place}.normalizers`).map(([at, each]) => normalizerOf(each, at)),
      );
    // The end of a word makes no difference there.
    case 'Lowercase':
      return sequence('normalizers', lowercase());
    case 'Strip':
      return sequence('normalizers', [
        ...(part['strip_left'] === true ? [replaced(String.raw`\A${SPACE}+`, '')] : []),
        ...(part['strip_right'] === true ? [replaced(String.raw`${SPACE}+\z`, '')] : []),
      ]);
    case 'Prepend':
      // Of nothing, nothing.
      return replaced(String.raw`\A[\s\S]`, `${literal(part['prepend'], `${place}.prepend`)}$&`);
    case 'Replace':
      checkPattern(part['pattern'], `${place}.pattern`);
      return { ...part, content: literal(part['content'], `${place}.content`) };
    case 'BertNormalizer':
      return sequence('normalizers', bertNormalizers(part));
    case 'Precompiled':
    case 'Nmt':
    case 'ByteLevel':
      throw inexact(`${place}.type`, part['type']);
    default:
      return part;
  }
}

function bertNormalizers(part: Part): unknown[] {
  const { clean_text: cleans, handle_chinese_chars: parts, lowercase: lowers } = part;
  const strips = part['strip_accents'] ?? lowers;
  return [
    ...(cleans === true
      ? [replaced(String.raw`[\x{0}\x{FFFD}\p{Cf}\p{Co}]|(?![\t\n\r])\p{Cc}`, ''), replaced(SPACE, ' ')]
      : []),
    ...(parts === true ? [replaced(IDEOGRAPHS, ' $& ')] : []),
    ...(strips === true ? [{ type: 'NFD' }, replaced(String.raw`\p{Mn}`, '')] : []),
    ...(lowers === true ? lowercase() : []),
  ];
}

/** JavaScript writes a sigma at the end of a word otherwise. */
function lowercase(): unknown[] {
  return [replaced('Σ', 'σ'), { type: 'Lowercase' }];
}

/** @param content as `String.replaceAll` takes it */
function replaced(pattern: string, content: string): Part {
  return { type: 'Replace', pattern: { Regex: pattern }, content };
}

/** A text for `String.replaceAll`, which reads $ otherwise. */
function literal(content: unknown, place: string): string {
  if (typeof content !== 'string') throw inexact(place, content);
  return content.replaceAll('$', '$$$$');
}

function preTokenizerOf(part: unknown, place: string, isFirstKnown: boolean): unknown {
  if (!isPart(part)) return part;
  const { type } = part;
  switch (type) {
    case 'Sequence':
      return sequence(
        'pretokenizers',
        partsOf(part['pretokenizers'], `${place}.pretokenizers`).map(([at, each]) => preTokenizerOf(each, at, false)),
      );
    case 'Whitespace':
      return split(`[${WORD}]+|[^${WORD}${SPACE}]+`, 'Removed', true);
    case 'WhitespaceSplit':
      return split(`${SPACE}+`, 'Removed');
    case 'Digits':
      return split(part['individual_digits'] === true ? String.raw`\p{N}` : String.raw`\p{N}+`, 'Isolated');
    case 'Punctuation':
      return punctuation(part['behavior'] ?? 'Isolated', place);
    case 'BertPreTokenizer':
      return sequence('pretokenizers', [split(`${SPACE}+`, 'Removed'), split(PUNCTUATION, 'Isolated')]);
    case 'ByteLevel':
      return byteLevel(part);
    case 'Metaspace':
      return metaspace(part, place, isFirstKnown);
    case 'Split':
      return splitOf(part, place);
    default:
      throw inexact(`${place}.type`, type);
  }
}

function punctuation(behavior: unknown, place: string): Part {
  if (behavior === 'Isolated' || behavior === 'Removed') return split(PUNCTUATION, behavior);
  if (behavior === 'Contiguous') return split(`${PUNCTUATION}+`, 'Isolated');
  throw inexact(`${place}.behavior`, behavior);
}

function byteLevel(part: Part): unknown {
  const { add_prefix_space: adds, use_regex: usesWords } = part;
  return sequence('pretokenizers', [
    ...(adds === false ? [] : [replaced(String.raw`\A[^ ]`, ' $&')]),
    ...(usesWords === false ? [] : [split(GPT2_WORDS, 'Removed', true)]),
    { ...part, add_prefix_space: false, use_regex: false },
  ]);
}

function metaspace(part: Part, place: string, isFirstKnown: boolean): unknown {
  const { replacement = '▁', split: splits, add_prefix_space: adds } = part;
  const scheme = part['prepend_scheme'] ?? (adds === false ? 'never' : 'always');
  if (typeof replacement !== 'string' || Array.from(replacement).length !== 1)
    throw inexact(`${place}.replacement`, replacement);
  if (scheme === 'first' && !isFirstKnown) throw inexact(`${place}.prepend_scheme`, scheme);
  const { str_rep: _, ...rest } = part;
  const words = { ...rest, replacement, prepend_scheme: scheme };
  if (splits === false) return words;
  return sequence('pretokenizers', [words, split(`(?=${escaped(replacement)})`, 'Isolated')]);
}

function splitOf(part: Part, place: string): unknown {
  const { behavior, invert, pattern } = part;
  checkPattern(pattern, `${place}.pattern`);
  const isWhole = behavior === 'Isolated' || behavior === 'Removed';
  if (invert === true ? behavior === 'Removed' : isWhole) return part;
  const delimiter = isPart(pattern) ? pattern['String'] : undefined;
  const isOne = typeof delimiter === 'string' && Array.from(delimiter).length === 1;
  if (invert !== true && isOne && behavior === 'MergedWithPrevious')
    return split(`(?<=${escaped(delimiter)})`, 'Isolated');
  if (invert !== true && isOne && behavior === 'MergedWithNext') return split(`(?=${escaped(delimiter)})`, 'Isolated');
  throw inexact(`${place}.behavior`, behavior);
}

/**
 * Where a model takes whole texts, and no token goes on behind a word with the sign of a new word: words, since merges
 * never cross that sign. Whole texts take a hundred times as long.
 */
function wordsOfPieces(model: unknown): unknown {
  if (!isPart(model) || model['type'] !== 'BPE' || model['ignore_merges'] === true || !isPart(model['vocab']))
    return null;
  const crosses = Object.keys(model['vocab']).some((token) => /[^▁]▁/u.test(token));
  return crosses ? null : split('(?<!▁)(?=▁)', 'Isolated');
}

function split(pattern: string, behavior: string, invert: boolean = false): Part {
  return { type: 'Split', pattern: { Regex: pattern }, behavior, invert };
}

function sequence(name: 'normalizers' | 'pretokenizers', parts: readonly unknown[]): Part {
  return { type: 'Sequence', [name]: parts };
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}

/** Those of a list that are parts at all, with their places: what is wrong with others, the implementation says. */
function partsOf(list: unknown, place: string): [place: string, part: Part][] {
  return (Array.isArray(list) ? list : []).flatMap((part: unknown, i): [string, Part][] =>
    isPart(part) ? [[`${place}[${i}]`, part]] : [],
  );
}

function checkPattern(value: unknown, place: string): void {
  const { String: text, Regex: regex } = isPart(value) ? value : {};
  if ((typeof text === 'string') === (typeof regex === 'string')) throw inexact(place, value);
  // Groups that are never entered again, which JavaScript has none of: the implementation makes them plain ones.
  if (typeof regex === 'string' && /(?<!\\)(?:\\\\)*\(\?>/.test(regex)) throw inexact(place, value);
}

function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function inexact(field: string, value: unknown): InexactTokenizer {
  return new InexactTokenizer(
    `${field} is ${excerptOf(value)}, of which @huggingface/tokenizers would give other ids than the library that made the file; ` +
      'use a tokenizer without it',
  );
}
