/**
 * Sources to token streams: each shard is encoded once and kept on disk, so that a second start encodes and downloads
 * nothing, and one that stopped half-way goes on where it was.
 */

import { createHash } from 'node:crypto';
import { packTokens } from './packing.ts';
import { type ShardCacheOptions, shardEntries } from './sources/shard-cache.ts';
import type { Shard, Source, SourceFile } from './sources/source.ts';
import type { Tokenizer } from './tokenizers/tokenizer.ts';

/** To be raised when a tokenizer comes to give other ids: what is kept of the text itself stays as it is. */
const ENCODING_FORMAT = 1;

export interface EncodeOptions {
  readonly tokenizer: Tokenizer;
  /** Says of a document, by its id, whether it is held out. */
  readonly isHeldOut: (id: string) => boolean;
  /** Where encoded shards are kept; none are without it. */
  readonly cacheDirectory?: string | undefined;
  /** Told after each shard that was not in the cache how many tokens the source has given so far. */
  readonly onProgress?: ((tokens: number) => void) | undefined;
}

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
      ENCODING_FORMAT,
      tokenizer: createHash('sha256').update(tokenizer.toJson()).digest('hex'),
      // Not in every `tokenizer.json`: the configuration beside it may name it.
      endOfText: tokenizer.endOfText,
    },
  };
  let tokens = 0;
  read: for (const file of source.files) {
    for await (const { documents, fresh } of encodedShards(file, tokenizer, cache)) {
      for (const document of documents) {
        parts[options.isHeldOut(document.id) ? 'heldOut' : 'training'].push(document.tokens);
        tokens += document.tokens.length;
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
  readonly documents: readonly {
    readonly id: string;
    /** The end of text included. */
    readonly tokens: Int32Array;
  }[];
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
    isLast: (content) => readHeader(content).last,
  });
  for await (const { content, fresh } of entries) {
    yield { ...parseShard(content), fresh };
  }
}

/** What an entry says of its tokens. */
interface Header {
  readonly last: boolean;
  /** Id and number of tokens of each document. */
  readonly documents: readonly (readonly [id: string, tokens: number])[];
}

/** A 32-bit word that says how many the header takes, the header as JSON, then the tokens of all documents. */
function writeShard({ documents, last }: Shard, tokenizer: Tokenizer): Uint8Array {
  const encoded = documents.map(({ text }) => packTokens([tokenizer.encode(text)], tokenizer.endOfText));
  const header: Header = { last, documents: documents.map(({ id }, i) => [id, encoded[i]!.length]) };
  const bytes = new TextEncoder().encode(JSON.stringify(header));
  const words = new Int32Array(Math.ceil(bytes.length / Int32Array.BYTES_PER_ELEMENT));
  // Spaces after JSON change nothing.
  new Uint8Array(words.buffer).fill(0x20).set(bytes);
  return new Uint8Array(packTokens([Int32Array.of(words.length), words, ...encoded], null).buffer);
}

function parseShard(content: Uint8Array): EncodedShard {
  const words = wordsOf(content);
  const { last, documents } = readHeader(content);
  let end = 1 + words[0]!;
  return { documents: documents.map(([id, length]) => ({ id, tokens: words.subarray(end, (end += length)) })), last };
}

function readHeader(content: Uint8Array): Header {
  const words = wordsOf(content).subarray(1, 1 + wordsOf(content)[0]!);
  return JSON.parse(new TextDecoder().decode(words));
}

function wordsOf(content: Uint8Array): Int32Array {
  return new Int32Array(content.buffer, content.byteOffset, content.byteLength / Int32Array.BYTES_PER_ELEMENT);
}
