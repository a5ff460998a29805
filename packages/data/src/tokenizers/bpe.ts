/**
 * Byte-level byte-pair encoding: words are cut into bytes, and pairs of neighbouring tokens are merged in the order in
 * which training found the merges. Equal, id for id, to what the HF tokenizers library makes of the same
 * `tokenizer.json`.
 */

import TinyQueue from 'tinyqueue';
import { BYTE_CHARACTERS, readBytes, splitWords, type WordRule } from './byte-level.ts';
import {
  decodeBytes,
  END_OF_TEXT,
  refuseSparseIds,
  specialTokenSplitter,
  type TextPart,
  type Tokenizer,
} from './tokenizer.ts';
import { parseTokenizerJson, writeTokenizerJson } from './tokenizer-json.ts';

/**
 * Everything that decides what a byte-level BPE tokenizer does. Tokens are written in the characters of the byte
 * alphabet.
 */
export interface BpeModel {
  /** Ids by token. Bytes whose character of the byte alphabet is not among them are left out of texts. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** Pairs of tokens, the ones to merge first coming first; each pair joined is a token too. */
  readonly merges: readonly (readonly [string, string])[];
  /** Ids of special tokens, by how they are written in plain text. */
  readonly specialTokens: ReadonlyMap<string, number>;
  /** How a text is cut into words before anything is merged. Default `'gpt2'`. */
  readonly words?: WordRule;
  /** The special token that ends a document, if there is one of this name. Default `<|endoftext|>`. */
  readonly endOfText?: string;
}

/** Words up to this many characters are remembered with their ids; longer ones hardly ever come back. */
const LONGEST_CACHED_WORD = 64;
const MOST_CACHED_WORDS = 2 ** 18;

export class BpeTokenizer implements Tokenizer {
  readonly model: BpeModel;
  readonly vocabularySize: number;
  readonly endOfText: number | null;
  readonly #bytesOf: (Uint8Array | undefined)[];
  /** -1 for a byte that has no token: it is left out, as the HF library does. */
  readonly #idOfByte: Int32Array;
  /** Rank of the merge of two ids, by `left * vocabularySize + right`. */
  readonly #rankOfPair: ReadonlyMap<number, number>;
  /** The id that the merge of a rank makes. */
  readonly #mergedId: Int32Array;
  readonly #split: (text: string) => Iterable<TextPart>;
  readonly #cache = new Map<string, Int32Array>();
  readonly #json: string | null;

  /**
   * @param json the `tokenizer.json` that the model was read from, which `toJson` gives back
   * @throws RangeError when a merge names a token that is not in the vocabulary
   */
  constructor(model: BpeModel, json: string | null = null) {
    this.#json = json;
    const { vocabulary, merges, specialTokens } = model;
    refuseSparseIds([...vocabulary.values(), ...specialTokens.values()]);
    const idOf = (token: string): number => {
      const id = vocabulary.get(token);
      if (id === undefined) {
        throw new RangeError(
          `BpeTokenizer: the vocabulary has no token ${JSON.stringify(token)}. ` +
            'It must have both parts and the whole of every merge.',
        );
      }
      return id;
    };
    this.model = model;
    this.endOfText = specialTokens.get(model.endOfText ?? END_OF_TEXT) ?? null;
    this.#split = specialTokenSplitter(specialTokens);

    this.#bytesOf = [];
    for (const [token, id] of vocabulary) {
      this.#bytesOf[id] = readBytes(token) ?? new TextEncoder().encode(token);
    }
    for (const [token, id] of specialTokens) {
      this.#bytesOf[id] = new TextEncoder().encode(token);
    }
    this.vocabularySize = this.#bytesOf.length;

    this.#idOfByte = Int32Array.from(BYTE_CHARACTERS, (character) => vocabulary.get(character) ?? -1);
    this.#mergedId = Int32Array.from(merges, ([left, right]) => idOf(left + right));
    this.#rankOfPair = new Map(
      merges.map(([left, right], rank) => [idOf(left) * this.vocabularySize + idOf(right), rank]),
    );
  }

  /**
   * Reads a `tokenizer.json` of byte-level BPE: one written by `toJson`, GPT-2's, or Qwen's.
   *
   * @throws UnsupportedTokenizer naming the field when the file is of another kind
   */
  static fromJson(json: string): BpeTokenizer {
    return new BpeTokenizer(parseTokenizerJson(json), json);
  }

  /** The tokenizer as an HF `tokenizer.json`: the very text it was read from, if it was. */
  toJson(): string {
    return this.#json ?? writeTokenizerJson(this.model);
  }

  encode(text: string): Int32Array {
    const ids: number[] = [];
    for (const part of this.#split(text)) {
      if (part.special !== null) {
        ids.push(part.special);
        continue;
      }
      for (const word of splitWords(part.text, this.model.words)) {
        for (const id of this.#encodeWord(word)) {
          ids.push(id);
        }
      }
    }
    return new Int32Array(ids);
  }

  decode(ids: ArrayLike<number>): string {
    return decodeBytes(ids, this.#bytesOf);
  }

  #encodeWord(word: string): Int32Array {
    const known = this.#cache.get(word);
    if (known !== undefined) {
      return known;
    }
    const ids = this.#merge(new TextEncoder().encode(word));
    if (word.length <= LONGEST_CACHED_WORD && this.#cache.size < MOST_CACHED_WORDS) {
      this.#cache.set(word, ids);
    }
    return ids;
  }

  /**
   * Merges the bytes of one word, always the pair of the lowest rank next and of equal ones the leftmost. The queue
   * keeps this in n log n for words without end, such as a line of text in a script without spaces.
   */
  #merge(bytes: Uint8Array): Int32Array {
    const ids = Int32Array.from(bytes, (byte) => this.#idOfByte[byte]!).filter((id) => id !== -1);
    const { length } = ids;
    // A linked list over the places that still hold a token; -1 marks a place merged into another.
    const next = Int32Array.from(ids, (_, place) => place + 1);
    const previous = Int32Array.from(ids, (_, place) => place - 1);
    const rankAt = (place: number): number | undefined => {
      const right = place < 0 || ids[place] === -1 ? length : next[place]!;
      return right < length ? this.#rankOfPair.get(ids[place]! * this.vocabularySize + ids[right]!) : undefined;
    };

    // A queue entry is rank * length + place: least first means lowest rank, then leftmost.
    const queue = new TinyQueue<number>();
    const consider = (place: number): void => {
      const rank = rankAt(place);
      if (rank !== undefined) {
        queue.push(rank * length + place);
      }
    };
    for (let place = 0; place < length - 1; place++) {
      consider(place);
    }
    for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
      const rank = Math.floor(entry / length);
      const place = entry % length;
      if (rankAt(place) !== rank) {
        continue;
      }
      const right = next[place]!;
      ids[place] = this.#mergedId[rank]!;
      ids[right] = -1;
      const after = next[right]!;
      next[place] = after;
      if (after < length) {
        previous[after] = place;
      }
      consider(previous[place]!);
      consider(place);
    }
    return ids.filter((id) => id !== -1);
  }
}
