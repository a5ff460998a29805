/**
 * Any tokenizer of the Hugging Face libraries, run by `@huggingface/tokenizers`.
 */

import { Tokenizer as Implementation } from '@huggingface/tokenizers';
import { findEndOfText, type Tokenizer } from './tokenizer.ts';

export class HuggingFaceTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly endOfText: number | null;
  readonly #implementation: Implementation;
  readonly #json: string;

  /**
   * @param json the text of a `tokenizer.json`
   * @param config what the `tokenizer_config.json` beside it holds; its `eos_token` ends a document
   *   where the vocabulary has no token known to do so
   * @throws Error when the file is no JSON or describes a tokenizer of an unknown kind
   */
  constructor(json: string, config: object = {}) {
    this.#json = json;
    try {
      this.#implementation = new Implementation(JSON.parse(json), config);
    } catch (cause) {
      throw new Error(`tokenizer.json: cannot be read (${String(cause)}).`, { cause });
    }
    const ids = [...this.#implementation.get_vocab(true).values()];
    this.vocabularySize = 1 + ids.reduce((largest, id) => Math.max(largest, id), -1);
    const idOf = (token: string): number | undefined => this.#implementation.token_to_id(token);
    const end = findEndOfText((token) => idOf(token) !== undefined, config);
    this.endOfText = end === null ? null : idOf(end)!;
  }

  encode(text: string): Int32Array {
    return Int32Array.from(this.#implementation.encode(text, { add_special_tokens: false }).ids);
  }

  decode(ids: ArrayLike<number>): string {
    const known = Array.from(ids, (id) => {
      if (this.#implementation.id_to_token(id) === undefined) {
        throw new RangeError(`decode: ${id} is not a token id of this tokenizer.`);
      }
      return id;
    });
    const options = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
    return known.length === 0 ? '' : this.#implementation.decode(known, options);
  }

  toJson(): string {
    return this.#json;
  }
}
