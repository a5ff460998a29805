/**
 * The simplest tokenizer: a token is a byte of UTF-8. It needs no training and no file; its sequences are long.
 */

import type { BpeModel } from './bpe.ts';
import { BYTE_CHARACTERS } from './byte-level.ts';
import { decodeBytes, END_OF_TEXT, specialTokenSplitter, type Tokenizer } from './tokenizer.ts';
import { writeTokenizerJson } from './tokenizer-json.ts';

const ENDS_TEXT = 256;
const BYTES_OF: readonly Uint8Array[] = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  new TextEncoder().encode(END_OF_TEXT),
];

/** The same as byte-level BPE that merges nothing. */
const MODEL: BpeModel = {
  vocabulary: new Map([
    ...BYTE_CHARACTERS.map((character, byte): [string, number] => [character, byte]),
    [END_OF_TEXT, ENDS_TEXT],
  ]),
  merges: [],
  specialTokens: new Map([[END_OF_TEXT, ENDS_TEXT]]),
};

/** Ids 0 to 255 are bytes; 256 is the end of a text, written `<|endoftext|>`. */
export class ByteTokenizer implements Tokenizer {
  readonly vocabularySize: number = 257;
  readonly endOfText: number = ENDS_TEXT;
  readonly #split = specialTokenSplitter(new Map([[END_OF_TEXT, ENDS_TEXT]]));

  encode(text: string): Int32Array {
    const parts = [...this.#split(text)].map((part) =>
      part.special === null ? new TextEncoder().encode(part.text) : [part.special],
    );
    const ids = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let end = 0;
    for (const part of parts) {
      ids.set(part, end);
      end += part.length;
    }
    return ids;
  }

  decode(ids: ArrayLike<number>): string {
    return decodeBytes(ids, BYTES_OF);
  }

  toJson(): string {
    return writeTokenizerJson(MODEL);
  }

  /** Whether byte-level BPE gives every text the ids that this tokenizer gives it. */
  static equals({ vocabulary, merges, specialTokens }: BpeModel): boolean {
    return (
      merges.length === 0 &&
      vocabulary.size === MODEL.vocabulary.size &&
      specialTokens.size === 1 &&
      [...MODEL.vocabulary].every(
        ([token, id]) => vocabulary.get(token) === id && (id < ENDS_TEXT || specialTokens.has(token)),
      )
    );
  }
}
