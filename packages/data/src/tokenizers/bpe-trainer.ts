/**
 * Training of byte-level BPE (Sennrich et al. 2016; on bytes, Radford et al. 2019): the most frequent pair of
 * neighbouring tokens becomes a token, again and again, until the vocabulary is full.
 *
 * Work is done once per different word, with the word's count as its weight. Pair counts are kept up to date merge by
 * merge: an index says which words have a pair, and a queue, whose entries may be out of date and are checked when they
 * come up, says which pair is next.
 */

import TinyQueue from 'tinyqueue';
import { BpeTokenizer } from './bpe.ts';
import { BYTE_CHARACTERS, splitWords } from './byte-level.ts';
import { END_OF_TEXT } from './tokenizer.ts';

export interface BpeTrainingOptions {
  /** Tokens wanted in all: special tokens, 256 bytes, and merges. */
  readonly vocabularySize: number;
  /** They get the first ids. Default: `<|endoftext|>` alone. */
  readonly specialTokens?: readonly string[];
  /** A pair seen less often than this is never merged. Default 2. */
  readonly minFrequency?: number;
  /** Told how far it is. */
  readonly onProgress?: (progress: BpeTrainingProgress) => void;
}

export interface BpeTrainingProgress {
  /** First words are counted, then tokens are made. */
  readonly phase: 'counting' | 'merging';
  /** Characters counted, or tokens in the vocabulary. */
  readonly completed: number;
  readonly total: number;
}

/** Different words kept at most, a few hundred bytes of memory each. */
const MOST_WORDS = 2 ** 21;

/**
 * How often each word stands in texts that come one after the other, without keeping the texts. Where there are too
 * many different words for memory, those seen least so far are forgotten, and counted anew should they come again; so
 * the counts of rare words may be too low.
 */
export class WordCounts {
  readonly #counts = new Map<string, number>();
  readonly #most: number;
  /** Words counted this often are forgotten next. */
  #rare = 1;

  /** @param most different words to keep */
  constructor(most: number = MOST_WORDS) {
    this.#most = most;
  }

  /** Cuts a text into words and counts them. */
  add(text: string): void {
    for (const word of splitWords(text)) {
      this.#counts.set(word, (this.#counts.get(word) ?? 0) + 1);
    }
    for (; this.#counts.size > this.#most; this.#rare++) {
      for (const [word, count] of this.#counts) {
        if (count <= this.#rare) {
          this.#counts.delete(word);
        }
      }
    }
  }

  /** Words and their counts, in the order in which they were first seen. */
  entries(): Iterable<[string, number]> {
    return this.#counts;
  }
}

/** A pair of neighbouring tokens. */
interface Pair {
  readonly left: number;
  readonly right: number;
  /** How often it stands in the texts; in a run of equal tokens every place counts. */
  count: number;
  /** The words that have it, and perhaps some that no longer do. */
  readonly words: number[];
}

/** A pair and the count it had when it was queued. */
interface Candidate {
  readonly pair: Pair;
  readonly count: number;
}

/** A word: its tokens so far, and how often the texts have it. */
interface Word {
  tokens: number[];
  readonly count: number;
}

/**
 * Trains a byte-level BPE tokenizer.
 *
 * Of pairs seen equally often the one with the lowest left id goes first, then the lowest right id, which is the rule
 * of the HF trainer: on the same words it makes the same merges. Ids: special tokens, then the 256 bytes in the order
 * of their characters, then the merges. Texts too small for the wanted vocabulary give a smaller one, so read
 * `vocabularySize` from the result.
 *
 * @param texts what to train on: texts, or the words of texts already counted
 * @throws RangeError when the vocabulary has no room for the special tokens and the bytes, or an option is out of range
 */
export function trainBpe(texts: readonly string[] | WordCounts, options: BpeTrainingOptions): BpeTokenizer {
  const { vocabularySize, specialTokens = [END_OF_TEXT], minFrequency = 2, onProgress } = options;
  checkOptions(vocabularySize, specialTokens, minFrequency);

  const tokens = [...specialTokens, ...BYTE_CHARACTERS.toSorted((a, b) => (a < b ? -1 : 1))];
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const words = asTokens(texts instanceof WordCounts ? texts : countWords(texts, onProgress), idOf);
  const pairs = new Map<number, Pair>();
  const pairOf = (left: number, right: number): Pair => {
    const key = left * vocabularySize + right;
    let pair = pairs.get(key);
    if (pair === undefined) {
      pair = { left, right, count: 0, words: [] };
      pairs.set(key, pair);
    }
    return pair;
  };
  for (const [index, word] of words.entries()) {
    for (let place = 0; place + 1 < word.tokens.length; place++) {
      addToPair(pairOf(word.tokens[place]!, word.tokens[place + 1]!), word.count, index);
    }
  }

  const queue = new TinyQueue<Candidate>(
    Array.from(pairs.values(), (pair) => ({ pair, count: pair.count })),
    (a, b) => b.count - a.count || a.pair.left - b.pair.left || a.pair.right - b.pair.right,
  );
  const merges: [string, string][] = [];
  while (tokens.length < vocabularySize) {
    const candidate = queue.pop();
    if (candidate === undefined || candidate.count < minFrequency) {
      break;
    }
    const { pair, count } = candidate;
    if (pair.count !== count) {
      if (pair.count >= minFrequency) {
        queue.push({ pair, count: pair.count });
      }
      continue;
    }
    const merge: [string, string] = [tokens[pair.left]!, tokens[pair.right]!];
    const token = merge.join('');
    // Two merges can make the same token; it keeps its one id.
    const merged = idOf.get(token) ?? tokens.push(token) - 1;
    idOf.set(token, merged);
    merges.push(merge);
    for (const grown of mergePair(pair, merged, words, pairOf)) {
      queue.push({ pair: grown, count: grown.count });
    }
    onProgress?.({ phase: 'merging', completed: tokens.length, total: vocabularySize });
  }
  return new BpeTokenizer({
    vocabulary: idOf,
    merges,
    specialTokens: new Map(specialTokens.map((token, id) => [token, id])),
    words: 'gpt2',
  });
}

function countWords(texts: readonly string[], onProgress: BpeTrainingOptions['onProgress']): WordCounts {
  const words = new WordCounts();
  const total = texts.reduce((sum, text) => sum + text.length, 0);
  let completed = 0;
  for (const text of texts) {
    words.add(text);
    completed += text.length;
    onProgress?.({ phase: 'counting', completed, total });
  }
  return words;
}

function asTokens(words: WordCounts, idOf: ReadonlyMap<string, number>): Word[] {
  const idOfByte = BYTE_CHARACTERS.map((character) => idOf.get(character)!);
  const encoder = new TextEncoder();
  return Array.from(words.entries(), ([word, count]) => ({
    tokens: Array.from(encoder.encode(word), (byte) => idOfByte[byte]!),
    count,
  }));
}

function addToPair(pair: Pair, count: number, word: number): void {
  pair.count += count;
  if (pair.words.at(-1) !== word) {
    pair.words.push(word);
  }
}

/**
 * Replaces a pair by one token, from left to right, in every word that has it, and moves the counts of the pairs around
 * it.
 *
 * @returns the pairs that became more frequent
 */
function mergePair(
  pair: Pair,
  merged: number,
  words: readonly Word[],
  pairOf: (left: number, right: number) => Pair,
): Set<Pair> {
  const grown = new Set<Pair>();
  for (const index of pair.words) {
    const word = words[index]!;
    const tokens: number[] = [];
    for (let place = 0; place < word.tokens.length; place++) {
      if (word.tokens[place] !== pair.left || word.tokens[place + 1] !== pair.right) {
        tokens.push(word.tokens[place]!);
        continue;
      }
      const before = tokens.at(-1);
      if (before !== undefined) {
        pairOf(before, pair.left).count -= word.count;
        const made = pairOf(before, merged);
        addToPair(made, word.count, index);
        grown.add(made);
      }
      const after = word.tokens[place + 2];
      if (after !== undefined) {
        pairOf(pair.right, after).count -= word.count;
        const made = pairOf(merged, after);
        addToPair(made, word.count, index);
        grown.add(made);
      }
      tokens.push(merged);
      place++;
    }
    word.tokens = tokens;
  }
  pair.count = 0;
  pair.words.length = 0;
  return grown;
}

/** A number says which two tokens a pair is of, so it must be exact. */
const MOST_TOKENS = 2 ** 26;

function checkOptions(vocabularySize: number, specialTokens: readonly string[], minFrequency: number): void {
  const least = 256 + specialTokens.length;
  if (!Number.isInteger(vocabularySize) || vocabularySize < least || vocabularySize > MOST_TOKENS) {
    throw new RangeError(
      `trainBpe: vocabularySize must be an integer of at least ${least} (256 bytes and ${specialTokens.length} special ` +
        `tokens) and at most ${MOST_TOKENS}, got ${vocabularySize}.`,
    );
  }
  if (!Number.isInteger(minFrequency) || minFrequency < 1) {
    throw new RangeError(`trainBpe: minFrequency must be an integer of at least 1, got ${minFrequency}.`);
  }
  if (new Set(specialTokens).size < specialTokens.length || specialTokens.some((token) => token.length < 2)) {
    throw new RangeError(
      'trainBpe: specialTokens must differ from each other and have at least two characters each, ' +
        `got ${JSON.stringify(specialTokens)}.`,
    );
  }
}
