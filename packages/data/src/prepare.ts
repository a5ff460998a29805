/**
 * From documents to token streams in one call: split, train the tokenizer on the training part, encode, pack. What takes
 * seconds is kept in a cache if one is given. Node only.
 */

import { cached, contentKey } from './cache.ts';
import { type Document, splitDocuments } from './documents.ts';
import { packTokens } from './packing.ts';
import { BpeTokenizer } from './tokenizers/bpe.ts';
import { type BpeTrainingProgress, trainBpe } from './tokenizers/bpe-trainer.ts';
import { ByteTokenizer } from './tokenizers/bytes.ts';
import type { Tokenizer } from './tokenizers/tokenizer.ts';

export interface PrepareOptions {
  readonly documents: readonly Document[];
  /** Share of the characters to hold out for evaluation, see `splitDocuments`. */
  readonly heldOutFraction: number;
  /** Decides the split. */
  readonly seed: number;
  /** `'bytes'`, or byte-level BPE of that many tokens, trained on the training part. */
  readonly tokenizer: 'bytes' | { readonly vocabularySize: number };
  /** Where the trained tokenizer and the streams made with it are kept; nothing is kept without it. */
  readonly cacheDirectory?: string;
  /** Told how the training of the tokenizer comes on; not called when the cache has it. */
  readonly onProgress?: (progress: BpeTrainingProgress) => void;
}

export interface PreparedTokens {
  readonly tokenizer: Tokenizer;
  /** Token stream of the training documents, as `packTokens` makes it. */
  readonly training: Int32Array;
  /** Token stream of the held-out documents; empty when nothing is held out. */
  readonly heldOut: Int32Array;
}

/** Part of every cache key; to be raised when the same inputs come to give another tokenizer or stream. */
const FORMAT = 1;

/**
 * Makes the token streams that `BatchStream` and `evaluationBatches` read.
 *
 * @throws what `splitDocuments`, `trainBpe` and `cached` throw
 */
export async function prepareTokens(options: PrepareOptions): Promise<PreparedTokens> {
  const { training, heldOut } = splitDocuments(options.documents, options);
  if (options.tokenizer === 'bytes') {
    const tokenizer = new ByteTokenizer();
    return { tokenizer, training: encodeAll(tokenizer, training), heldOut: encodeAll(tokenizer, heldOut) };
  }

  const { vocabularySize } = options.tokenizer;
  const keep = (name: string, settings: object, documents: readonly Document[], make: () => Uint8Array) =>
    options.cacheDirectory === undefined
      ? make()
      : cached(options.cacheDirectory, `${name}-${contentKey({ FORMAT, ...settings }, documents)}`, make);

  const json = new TextDecoder().decode(
    await keep('tokenizer', { vocabularySize }, training, () => {
      const texts = training.map(({ text }) => text);
      const { onProgress } = options;
      const tokenizer = trainBpe(texts, { vocabularySize, ...(onProgress === undefined ? {} : { onProgress }) });
      return new TextEncoder().encode(tokenizer.toJson());
    }),
  );
  const tokenizer = BpeTokenizer.fromJson(json);
  const streamOf = async (documents: readonly Document[]): Promise<Int32Array> => {
    const bytes = await keep('tokens', { json }, documents, () => {
      const stream = encodeAll(tokenizer, documents);
      return new Uint8Array(stream.buffer, stream.byteOffset, stream.byteLength);
    });
    return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Int32Array.BYTES_PER_ELEMENT);
  };
  return { tokenizer, training: await streamOf(training), heldOut: await streamOf(heldOut) };
}

function encodeAll(tokenizer: Tokenizer, documents: readonly Document[]): Int32Array {
  return packTokens(
    documents.map(({ text }) => tokenizer.encode(text)),
    tokenizer.endOfText,
  );
}
