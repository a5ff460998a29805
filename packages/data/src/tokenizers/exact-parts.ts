/**
 * What `@huggingface/tokenizers` computes otherwise than the Rust library, which makes every `tokenizer.json`: such
 * parts of a file are put in terms of parts that both compute alike, or refused by name. Never are other ids given
 * without a word. test/exact-parts.test.ts holds each part to the Rust library.
 *
 * `truncation` and `post_processor` are passed over: texts are encoded whole, and no tokens are put around them.
 */

import { type AddedToken, findOtherId } from './added-tokens.ts';
import { charactersLeftOut } from './exact-bpe.ts';
import { type BpeFile, DECODERS, FILE, MODELS, NORMALIZERS, POST_PROCESSORS, PRE_TOKENIZERS } from './file-schema.ts';
import { checked, checkedPart, damaged, inexact, isPart, type Part } from './parts.ts';
import { escaped, exactPattern } from './patterns.ts';

/** A file as `@huggingface/tokenizers` is to have it. */
export interface ExactFile {
  readonly added_tokens: readonly AddedToken[];
  readonly model: Part;
  readonly normalizer: Part | null;
  readonly pre_tokenizer: Part | null;
  readonly decoder: Part | null;
  readonly post_processor: null;
}

/**
 * The file as it is to be given to `@huggingface/tokenizers`.
 *
 * @param file what a `tokenizer.json` holds
 * @throws InexactTokenizer naming the part that is not computed as the Rust library does
 */
export function exactParts(file: unknown): ExactFile {
  const { added_tokens: added } = checked(FILE, file, '');
  const { padding = null, model: part, ...rest } = file as Part;
  const { normalizer = null, pre_tokenizer: preTokenizer = null, decoder = null, post_processor: post = null } = rest;
  if (padding !== null) throw inexact('padding', padding);
  const single = added.findIndex((token) => token.single_word);
  if (single !== -1) throw inexact(`added_tokens[${single}].single_word`, true);
  if (post !== null) checkedPart(POST_PROCESSORS, post, 'post_processor');

  const model = exactModel(part);
  refuseOtherIds(added, model);
  const contents = new Set(added.map(({ content }) => content));
  const isAdded = (token: string): boolean => contents.has(token);
  const leftOut =
    model['type'] === 'BPE' ? charactersLeftOut(model as unknown as BpeFile, preTokenizer, isAdded) : null;
  // Where tokens are found only after normalisation, the first words of what is between them are not told apart.
  const isFirstKnown = added.every((token) => !token.normalized) && keepsBeginning(normalizer);
  const words =
    preTokenizer === null ? wordsOfPieces(model) : preTokenizerOf(preTokenizer, 'pre_tokenizer', isFirstKnown);
  return {
    added_tokens: added,
    model,
    normalizer: normalizer === null ? null : normalizerOf(normalizer, 'normalizer'),
    pre_tokenizer: leftOut === null ? words : withoutCharacters(leftOut, words, preTokenizer !== null),
    decoder: decoder === null ? null : decoderOf(decoder, 'decoder'),
    post_processor: null,
  };
}

/** Whether a file cuts texts into words before its model has them. */
export function cutsWords(file: unknown): boolean {
  return isPart(file) && isPart(file['pre_tokenizer']);
}

/** Words of pieces are cut only where what is left out no longer stands between them. */
function withoutCharacters(leftOut: string, words: Part | null, cutsBefore: boolean): Part {
  const removed = replaced(leftOut, '');
  if (words === null) return removed;
  return sequence('pretokenizers', cutsBefore ? [words, removed] : [removed, words]);
}

function refuseOtherIds(added: readonly AddedToken[], { vocab }: Part): void {
  const listed = Array.isArray(vocab) ? new Map(vocab.map(([token]: [string], id) => [token, id])) : null;
  const named = vocab as Readonly<Record<string, number>>;
  const idOf = (content: string): number | undefined =>
    listed === null ? (Object.hasOwn(named, content) ? named[content] : undefined) : listed.get(content);
  const other = findOtherId(added, idOf, Object.keys(named).length);
  if (other === null) return;
  const { id, content } = added[other.index]!;
  throw damaged(
    `added_tokens[${other.index}].id`,
    id,
    `${other.expected}, the id that ${JSON.stringify(content)} has in model.vocab or else the next one`,
  );
}

function exactModel(part: unknown): Part {
  // Older files have no type.
  const model = checkedPart(MODELS, isPart(part) ? { type: typeOfModel(part), ...part } : part, 'model');
  switch (model.type) {
    case 'BPE':
      // Of a suffix of tokens within words the Rust library knows nothing.
      return { ...model, continuing_subword_suffix: null };
    case 'Unigram': {
      const { unk_id: unknown = null, vocab, byte_fallback: fallsBack } = model;
      if (fallsBack === true) throw inexact('model.byte_fallback', true);
      const { length } = vocab as readonly unknown[];
      if (unknown !== null && Number(unknown) >= length)
        throw damaged('model.unk_id', unknown, `an id below ${length}`);
      return model;
    }
    default:
      if (!Object.hasOwn(model['vocab'] as object, String(model['unk_token'])))
        throw damaged('model.unk_token', model['unk_token'], 'a token of model.vocab');
      return model;
  }
}

function typeOfModel(model: Part): string {
  if ('merges' in model) return 'BPE';
  if (Array.isArray(model['vocab'])) return 'Unigram';
  return 'continuing_subword_prefix' in model ? 'WordPiece' : 'WordLevel';
}

/** Whether what a text begins with still does when it is normalised. */
function keepsBeginning(normalizer: unknown): boolean {
  if (!isPart(normalizer)) return true;
  const { type, normalizers: steps } = normalizer;
  if (type === 'Sequence') return Array.isArray(steps) && steps.every(keepsBeginning);
  return ['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase'].includes(String(type));
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

function normalizerOf(value: unknown, place: string): Part {
  const part = checkedPart(NORMALIZERS, value, place);
  switch (part.type) {
    case 'Sequence':
      return sequence('normalizers', eachOf(part, 'normalizers', place, normalizerOf));
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
      return replaced(String.raw`\A[\s\S]`, `${literal(part['prepend'])}$&`);
    case 'Replace':
      return replacement(part, place);
    case 'BertNormalizer':
      return sequence('normalizers', bertNormalizers(part));
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

function replacement(part: Part, place: string): Part {
  return { ...part, pattern: patternOf(part, place), content: literal(part['content']) };
}

/** A text for `String.replaceAll`, which reads $ otherwise. */
function literal(content: unknown): string {
  return String(content).replaceAll('$', '$$$$');
}

function decoderOf(value: unknown, place: string): Part {
  const type = isPart(value) ? value['type'] : null;
  if (isPart(value) && type !== 'Sequence' && type !== 'Replace') return value;
  const part = checkedPart(DECODERS, value, place);
  if (type === 'Replace') return replacement(part, place);
  return sequence('decoders', eachOf(part, 'decoders', place, decoderOf));
}

function preTokenizerOf(value: unknown, place: string, isFirstKnown: boolean): Part {
  const part = checkedPart(PRE_TOKENIZERS, value, place);
  switch (part.type) {
    case 'Sequence':
      return sequence(
        'pretokenizers',
        eachOf(part, 'pretokenizers', place, (each, at) => preTokenizerOf(each, at, false)),
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
    default:
      return splitOf(part, place);
  }
}

function punctuation(behavior: unknown, place: string): Part {
  if (behavior === 'Isolated' || behavior === 'Removed') return split(PUNCTUATION, behavior);
  if (behavior === 'Contiguous') return split(`${PUNCTUATION}+`, 'Isolated');
  throw inexact(`${place}.behavior`, behavior);
}

function byteLevel(part: Part): Part {
  const { add_prefix_space: adds, use_regex: usesWords } = part;
  return sequence('pretokenizers', [
    ...(adds === false ? [] : [replaced(String.raw`\A[^ ]`, ' $&')]),
    ...(usesWords === false ? [] : [split(GPT2_WORDS, 'Removed', true)]),
    { ...part, add_prefix_space: false, use_regex: false },
  ]);
}

function metaspace(part: Part, place: string, isFirstKnown: boolean): Part {
  const { replacement: sign, split: splits, add_prefix_space: adds } = part;
  const scheme = part['prepend_scheme'] ?? (adds === false ? 'never' : 'always');
  if (scheme === 'first' && !isFirstKnown) throw inexact(`${place}.prepend_scheme`, scheme);
  const { str_rep: _, ...rest } = part;
  const words = { ...rest, prepend_scheme: scheme };
  if (splits === false) return words;
  return sequence('pretokenizers', [words, split(`(?=${escaped(String(sign))})`, 'Isolated')]);
}

function splitOf(part: Part, place: string): Part {
  const { behavior, invert } = part;
  const isWhole = behavior === 'Isolated' || behavior === 'Removed';
  if (invert === true ? behavior === 'Removed' : isWhole) {
    // Texts that are split have what the groups capture among their parts.
    return { ...part, pattern: patternOf(part, place, invert === true || behavior === 'Isolated') };
  }
  const { String: delimiter } = part['pattern'] as Part;
  const isOne = typeof delimiter === 'string' && Array.from(delimiter).length === 1;
  if (invert !== true && isOne && behavior === 'MergedWithPrevious')
    return split(`(?<=${escaped(delimiter)})`, 'Isolated');
  if (invert !== true && isOne && behavior === 'MergedWithNext') return split(`(?=${escaped(delimiter)})`, 'Isolated');
  throw inexact(`${place}.behavior`, behavior);
}

/** @param groups whether the pattern may have groups that capture */
function patternOf({ pattern }: Part, place: string, groups = true): Part {
  const { String: text, Regex: regex } = pattern as { readonly String?: string; readonly Regex?: string };
  if (text !== undefined) return { Regex: escaped(text) };
  const exact = exactPattern(regex!, groups);
  if (exact === null) throw inexact(`${place}.pattern`, pattern);
  return { Regex: exact };
}

/**
 * Where a model takes whole texts, and no token goes on behind a word with the sign of a new word: words, since merges
 * never cross that sign. Whole texts take a hundred times as long.
 */
function wordsOfPieces(model: Part): Part | null {
  if (model['type'] !== 'BPE' || model['ignore_merges'] === true || !isPart(model['vocab'])) return null;
  const crosses = Object.keys(model['vocab']).some((token) => /[^▁]▁/u.test(token));
  return crosses ? null : split('(?<!▁)(?=▁)', 'Isolated');
}

function split(pattern: string, behavior: string, invert: boolean = false): Part {
  return { type: 'Split', pattern: { Regex: pattern }, behavior, invert };
}

function sequence(name: 'normalizers' | 'pretokenizers' | 'decoders', parts: readonly unknown[]): Part {
  return { type: 'Sequence', [name]: parts };
}

function eachOf(part: Part, list: string, place: string, exact: (part: unknown, place: string) => Part): Part[] {
  return (part[list] as readonly unknown[]).map((each, i) => exact(each, `${place}.${list}[${i}]`));
}
