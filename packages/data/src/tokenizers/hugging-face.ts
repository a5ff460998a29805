/**
 * Any tokenizer of the Hugging Face libraries, run by `@huggingface/tokenizers`.
 */

import { Tokenizer as Implementation } from '@huggingface/tokenizers';
import { withinTime } from '@lpr/guard';
import { cutsWords, exactParts, InexactTokenizer, strippingTokens } from './exact-parts.ts';
import { findEndOfText, refuseSparseIds, type Tokenizer } from './tokenizer.ts';

/** Milliseconds that a call may take, and further ones for each character or id of it. */
const LIMIT = 2000;
const LIMIT_A_TOKEN = 1;

export class HuggingFaceTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly endOfText: number | null;
  readonly #implementation: Implementation;
  readonly #json: string;
  /** Tokens that take the white space beside them. */
  readonly #strips: readonly string[];

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
      this.#strips = strippingTokens(file);
      const limit = LIMIT + json.length / 1000;
      this.#implementation = withinTime(limit, 'loading', () => new Implementation(exactParts(file) as never, {}));
      if (cutsWords(file)) callByWord(this.#implementation);
    } catch (cause) {
      throw new Error(`tokenizer.json: cannot be read (${String(cause)}).`, { cause });
    }
    const ids = [...this.#implementation.get_vocab(true).values()];
    this.vocabularySize = 1 + ids.reduce((largest, id) => Math.max(largest, id), -1);
    const idOf = (token: string): number | undefined => this.#implementation.token_to_id(token);
    const end = findEndOfText((token) => idOf(token) !== undefined, config);
    this.endOfText = end === null ? null : idOf(end)!;
  }

  /**
   * @throws Error when it takes too long, or where a token takes the white space beside it and the text has a kind of
   *   it that JavaScript and Rust do not share: the ids would be others
   */
  encode(text: string): Int32Array {
    const strip = this.#strips.find((token) => text.includes(token));
    if (strip !== undefined && /[\u0085\uFEFF]/.test(text)) {
      throw new InexactTokenizer(
        `a text has U+0085 or U+FEFF and the token ${strip}, which takes white space beside it; take them out of the text`,
      );
    }
    const encode = (): readonly number[] => this.#implementation.encode(text, { add_special_tokens: false }).ids;
    return Int32Array.from(bounded(text.length, 'encoding a text by its patterns', encode));
  }

  decode(ids: ArrayLike<number>): string {
    const known = Array.from(ids, (id) => {
      if (this.#implementation.id_to_token(id) === undefined) {
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

/** What of the implementation makes tokens of words. */
interface WithModel {
  readonly model: { _call(words: string[]): string[] } | null;
}

/** Word by word: the implementation makes one token of the unknown characters of several, the Rust library does not. */
function callByWord({ model }: WithModel): void {
  if (model === null) return;
  const call = model._call.bind(model);
  model._call = (words) => words.flatMap((word) => call([word]));
}

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
      throw new Error(`tokenizer.json: ${what} failed (${String(cause)}); the file is damaged`, { cause });
    }
  });
}
