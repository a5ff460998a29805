/**
 * Sources to token streams: each shard is encoded once and kept on disk, so that a second start encodes and downloads
 * nothing, and one that stopped half-way goes on where it was.
 */

import { createHash } from 'node:crypto';
import { packTokens } from './packing.ts';
import { type ShardCacheOptions, shardEntries } from './sources/shard-cache.ts';
import type { Shard, Source, SourceFile } from './sources/source.ts';
import type { Tokenizer } from './tokenizers/tokenizer.ts';

export interface EncodeOptions {
  readonly tokenizer: Tokenizer;
  /** Says whether the source's document of an index from 0 is held out. */
  readonly isHeldOut: (index: number) => boolean;
  /** Where encoded shards are kept; none are without it. */
  readonly cacheDirectory?: string | undefined;
  /** Told after each shard that was not in the cache how many tokens the source has given so far. */
  readonly onProgress?: ((tokens: number) => void) | undefined;
}

/** Part of every cache key; to be raised when the same inputs come to give another tokenizer or stream. */
export const CACHE_FORMAT = 2;

/**
 * Encodes a source until its end or the document that reaches its `maxTokens`.
 *
 * @returns the streams of both parts, an end-of-text token after each document
 */
export async function encodeSource(
  source: Source,
  options: EncodeOptions,
): Promise<{ readonly training: Int32Array; readonly heldOut: Int32Array }> {
  const parts: Record<'training' | 'heldOut', Int32Array[]> = { training: [], heldOut: [] };
  const { maxTokens = Number.POSITIVE_INFINITY } = source;
  const { tokenizer, cacheDirectory } = options;
  const cache = {
    cacheDirectory,
    settings: {
      CACHE_FORMAT,
      tokenizer: createHash('sha256').update(tokenizer.toJson()).digest('hex'),
      // Not in every `tokenizer.json`: the configuration beside it may name it.
      endOfText: tokenizer.endOfText,
    },
  };
  let tokens = 0;
  let index = 0;
  read: for (const file of source.files) {
    for await (const { documents, fresh } of encodedShards(file, tokenizer, cache)) {
      for (const document of documents) {
        parts[options.isHeldOut(index) ? 'heldOut' : 'training'].push(document);
        index++;
        tokens += document.length;
        if (tokens >= maxTokens) {
          break read;
        }
      }
      if (fresh) {
        options.onProgress?.(tokens);
      }
    }
  }
  return { training: packTokens(parts.training, null), heldOut: packTokens(parts.heldOut, null) };
}

interface EncodedShard {
  /** Token ids of each document, the end of text included. */
  readonly documents: readonly Int32Array[];
  readonly last: boolean;
}

async function* encodedShards(
  file: SourceFile,
  tokenizer: Tokenizer,
  options: Pick<ShardCacheOptions, 'cacheDirectory' | 'settings'>,
): AsyncGenerator<EncodedShard & { readonly fresh: boolean }> {
  const entries = shardEntries(file, 0, {
    ...options,
    name: 'tokens',
    make: (shard) => writeShard(shard, tokenizer),
    isLast: (content) => parseShard(content).last,
  });
  for await (const { content, fresh } of entries) {
    yield { ...parseShard(content), fresh };
  }
}

/** 32-bit words: whether it is the last, how many documents, the length of each, then their tokens. */
function writeShard({ documents, last }: Shard, tokenizer: Tokenizer): Uint8Array {
  const encoded = documents.map(({ text }) => packTokens([tokenizer.encode(text)], tokenizer.endOfText));
  const header = Int32Array.from([last ? 1 : 0, encoded.length, ...encoded.map(({ length }) => length)]);
  return new Uint8Array(packTokens([header, ...encoded], null).buffer);
}

function parseShard(bytes: Uint8Array): EncodedShard {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Int32Array.BYTES_PER_ELEMENT);
  const count = words[1]!;
  let end = 2 + count;
  const documents = Array.from(words.subarray(2, end), (length) => words.subarray(end, (end += length)));
  return { documents, last: words[0] === 1 };
}
