/**
 * What every tokenizer offers, and the handling of special tokens that all of them share.
 */

import { tokenFinder } from './find-tokens.ts';

/** Turns text into token ids and back. */
export interface Tokenizer {
  /** Ids are in `[0, vocabularySize)`: the number of rows an embedding needs. */
  readonly vocabularySize: number;
  /** The id that ends a document, or null when the tokenizer has none. */
  readonly endOfText: number | null;
  /**
   * The ids of a text. A special token that is written out in the text becomes its id, as in the HF tokenizers library.
   * A lone surrogate, which is not valid Unicode, is encoded as U+FFFD.
   */
  encode(text: string): Int32Array;
  /**
   * The text of some ids: `decode(encode(text)) === text` for any text without lone surrogates. Special tokens are
   * written out. Where the ids' bytes are not UTF-8 (a character cut in two), the text has U+FFFD.
   *
   * @throws RangeError for an id that is not in the vocabulary
   */
  decode(ids: ArrayLike<number>): string;
  /** The tokenizer as an HF `tokenizer.json`, which `loadTokenizer` and the HF libraries read. */
  toJson(): string;
}

/** How the end of a document is written, after GPT-2. */
export const END_OF_TEXT = '<|endoftext|>';

/**
 * How models write the end of a document, the likeliest first. They go before the configuration's `eos_token`, which
 * for models that chat ends a turn.
 */
const KNOWN_ENDS: readonly string[] = [END_OF_TEXT, '</s>', '<|end_of_text|>', '<eos>', '<｜end▁of▁sentence｜>'];

/**
 * The token that ends a document.
 *
 * @param has whether the tokenizer has a token
 * @param config what a `tokenizer_config.json` holds
 */
export function findEndOfText(has: (token: string) => boolean, config: object): string | null {
  const eos: unknown = 'eos_token' in config ? config.eos_token : null;
  // A token is written as a string or as an object with its content.
  const content = typeof eos === 'object' && eos !== null && 'content' in eos ? eos.content : eos;
  return [...KNOWN_ENDS, content].find((token): token is string => typeof token === 'string' && has(token)) ?? null;
}

/** As many ids as any tokenizer has gaps for: rows of an embedding that no token stands for. */
const MOST_GAPS = 2 ** 20;

/**
 * Makes sure that a file does not ask for rows without end by a single large id.
 *
 * @throws RangeError naming the id
 */
export function refuseSparseIds(ids: readonly unknown[]): void {
  const largest = ids.reduce<number>((most, id) => (typeof id === 'number' && id > most ? id : most), 0);
  if (largest >= ids.length + MOST_GAPS) {
    throw new RangeError(
      `tokenizer.json: has the id ${largest} but only ${ids.length} tokens; each id below it takes a row of an embedding. ` +
        'The file is damaged: get it again.',
    );
  }
}

/** A part of a text: either plain, or a special token. */
export type TextPart = { readonly text: string; readonly special: null } | { readonly special: number };

/**
 * Makes a function that cuts a text at the special tokens written in it; of several that begin at one place, the
 * longest counts.
 *
 * @param specialTokens ids by how the token is written
 */
export function specialTokenSplitter(specialTokens: ReadonlyMap<string, number>): (text: string) => Iterable<TextPart> {
  const find = tokenFinder(specialTokens.keys());
  return function* split(text) {
    let done = 0;
    for (const { token, start } of find(text)) {
      if (done < start) yield { text: text.slice(done, start), special: null };
      yield { special: specialTokens.get(token)! };
      done = start + token.length;
    }
    if (done < text.length) yield { text: text.slice(done), special: null };
  };
}

/** UTF-8 to text, a byte order mark kept and U+FFFD where the bytes are not UTF-8. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Joins the bytes that ids stand for and reads them as UTF-8.
 *
 * @param bytesOf bytes by id
 * @throws RangeError for an id without bytes
 */
export function decodeBytes(ids: ArrayLike<number>, bytesOf: readonly (Uint8Array | undefined)[]): string {
  const parts = Array.from(ids, (id) => {
    const part = bytesOf[id];
    if (part === undefined) {
      throw new RangeError(
        `decode: ${id} is not a token id; ids of this tokenizer are integers from 0 to ${bytesOf.length - 1}.`,
      );
    }
    return part;
  });
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return utf8.decode(bytes);
}
