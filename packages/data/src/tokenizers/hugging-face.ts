/**
 * Any tokenizer of the Hugging Face libraries, run by `@huggingface/tokenizers`.
 */

import { Tokenizer as Implementation } from '@huggingface/tokenizers';
import { withinTime } from '@lpr/guard';
import { type AddedToken, type Section, sectionsOf } from './added-tokens.ts';
import { cutsWords, type ExactFile, exactParts } from './exact-parts.ts';
import { InexactTokenizer } from './parts.ts';
import { findEndOfText, refuseSparseIds, type Tokenizer } from './tokenizer.ts';
import { type Pieces, piecesOf } from './unigram.ts';

/** Milliseconds that a call may take, and further ones for each character or id of it. */
const LIMIT = 2000;
const LIMIT_A_TOKEN = 1;

export class HuggingFaceTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly endOfText: number | null;
  readonly #implementation: Parts;
  readonly #json: string;
  readonly #cutsWords: boolean;
  readonly #sections: (text: string) => Iterable<Section>;

  /**
   * @param json the text of a `tokenizer.json`
   * @param config what the `tokenizer_config.json` beside it holds; its `eos_token` ends a document
   *   where the vocabulary has no token known to do so
   * @throws Error when the file is no JSON or describes a tokenizer of an unknown kind
   */
  constructor(json: string, config: object = {}) {
    this.#json = json;
    try {
      const file = JSON.parse(json);
      refuseSparseIds(idsOf(file));
      this.#cutsWords = cutsWords(file);
      const limit = LIMIT + json.length / 1000;
      [this.#implementation, this.#sections] = withinTime(limit, 'loading', () => loadParts(exactParts(file)));
    } catch (cause) {
      throw new Error(`tokenizer.json: cannot be read (${String(cause)}).`, { cause });
    }
    const { vocab } = this.#implementation.model;
    this.vocabularySize = vocab.length;
    const end = findEndOfText((token) => vocab.includes(token), config);
    this.endOfText = end === null ? null : vocab.indexOf(end);
  }

  /** @throws Error when it takes too long, or where the text has a character that there is no token for */
  encode(text: string): Int32Array {
    const encode = (): number[] =>
      Array.from(this.#sections(text)).flatMap((section) =>
        section.id === null ? this.#encodeSection(section.text, section.isFirst) : [section.id],
      );
    return Int32Array.from(bounded(text.length, 'encoding a text by its patterns', encode));
  }

  #encodeSection(text: string, isFirst: boolean): number[] {
    const { model, pre_tokenizer: preTokenizer } = this.#implementation;
    const words = preTokenizer?._call(text, { section_index: isFirst ? 0 : 1 }) ?? [text];
    // The implementation makes one token of the unknown characters of several words, the Rust library does not.
    const tokens = this.#cutsWords ? words.flatMap((word) => model._call([word])) : model._call(words);
    return tokens.map((token) => model.tokens_to_ids.get(token) ?? model.unk_token_id!);
  }

  decode(ids: ArrayLike<number>): string {
    const known = Array.from(ids, (id) => {
      if (this.#implementation.model.vocab[id] === undefined) {
        throw new RangeError(`decode: ${id} is not a token id of this tokenizer.`);
      }
      return id;
    });
    const options = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
    if (known.length === 0) return '';
    return bounded(known.length, 'decoding by its patterns', () => this.#implementation.decode(known, options));
  }

  toJson(): string {
    return this.#json;
  }
}

/** What is used of the implementation; its own types do not tell. */
interface Parts {
  readonly normalizer: { _call(text: string): string } | null;
  readonly pre_tokenizer: { _call(text: string, options: { readonly section_index: number }): string[] } | null;
  readonly model: {
    readonly vocab: string[];
    readonly tokens_to_ids: ReadonlyMap<string, number>;
    readonly unk_token_id?: number;
    readonly trie?: Pieces;
    _call(words: readonly string[]): string[];
    encode(words: readonly string[]): string[];
  };
  readonly decoder: Decoder | null;
  decode(ids: readonly number[], options: object): string;
}

interface Decoder {
  readonly config: { readonly type: string };
  readonly decoders?: readonly Decoder[];
  added_tokens: readonly AddedToken[];
  text_decoder?: { decode(bytes: Uint8Array): string };
}

/**
 * Loads what the file has, and makes good what the implementation does otherwise than the Rust library. Tokens that are
 * added are taken out of texts here: the implementation also takes them for tokens of its model.
 */
function loadParts(file: ExactFile): [Parts, (text: string) => Iterable<Section>] {
  const { added_tokens: added, model: unigram } = file;
  const parts = new Implementation({ ...file, added_tokens: [] }, {}) as unknown as Parts;
  const { normalizer, decoder, model } = parts;
  for (const { id, content } of added) model.vocab[id] = content;
  if (decoder !== null) {
    decoder.added_tokens = added;
    for (const part of [decoder, ...(decoder.decoders ?? [])]) {
      if (part.config.type === 'ByteFallback') part.text_decoder = BYTES;
    }
  }
  if (unigram['type'] === 'Unigram') {
    const { vocab, unk_id: unknown } = unigram as { vocab: [string, number][]; unk_id?: number | null };
    const cut = piecesOf(vocab, unknown ?? null, model.trie!);
    model.encode = (words) => words.flatMap(cut);
  }
  return [parts, sectionsOf(added, (text) => normalizer?._call(text) ?? text)];
}

/** UTF-8 as the Rust library reads it from tokens of single bytes: all of them, or each for nothing it knows. */
const BYTES = {
  decode(bytes: Uint8Array): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return '\uFFFD'.repeat(bytes.length);
    }
  },
};

/** All ids of a file, as far as it has what a file should have: the implementation says what is wrong with the rest. */
function idsOf(file: unknown): unknown[] {
  const { model, added_tokens: added } = (file ?? {}) as Readonly<Record<string, unknown>>;
  const { vocab } = (model ?? {}) as Readonly<Record<string, unknown>>;
  const named: unknown[] = Array.isArray(vocab) ? Array.from(vocab.keys()) : Object.values(vocab ?? {});
  return [...named, ...(Array.isArray(added) ? added.map((token: { readonly id?: unknown } | null) => token?.id) : [])];
}

/** Runs the implementation on so many characters or ids; what it stumbles over is told as a fault of the file. */
function bounded<Result>(tokens: number, what: string, work: () => Result): Result {
  return withinTime(LIMIT + LIMIT_A_TOKEN * tokens, `tokenizer.json: ${what}`, () => {
    try {
      return work();
    } catch (cause) {
      if (cause instanceof InexactTokenizer) throw cause;
      throw new Error(`tokenizer.json: ${what} failed (${String(cause)}); the file is damaged`, { cause });
    }
  });
}
