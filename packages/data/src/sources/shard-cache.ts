/**
 * What is made shard by shard and kept on disk: each shard is one entry of a cache, whole or not there, so that work
 * that stopped goes on where it was.
 */

import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { CACHE_FORMAT, cached } from '../cache.ts';
import type { Shard, SourceFile } from './source.ts';

export interface ShardCacheOptions {
  /** Nothing is kept without it. */
  readonly cacheDirectory: string | undefined;
  /** What the entries are called: plain letters. */
  readonly name: string;
  /** Everything besides the file that decides the entries, as plain data. */
  readonly settings: object;
  /** Makes the content of an entry. */
  readonly make: (shard: Shard) => Uint8Array | Promise<Uint8Array>;
  /** Whether an entry is that of the last shard. */
  readonly isLast: (content: Uint8Array) => boolean;
}

/** An entry, and whether it was made now. */
export interface ShardEntry {
  readonly content: Uint8Array;
  readonly fresh: boolean;
}

/** The entries of a file's shards from number `first` on. The file is read only where there are none. */
export async function* shardEntries(
  file: SourceFile,
  first: number,
  { cacheDirectory, name, settings, make, isLast }: ShardCacheOptions,
): AsyncGenerator<ShardEntry> {
  const identity = cacheDirectory === undefined ? '' : await identityOf(file, settings);
  const reader = new ShardReader(file);
  try {
    for (let number = first, last = false; !last; number++) {
      let fresh = false;
      const makeEntry = async (): Promise<Uint8Array> => {
        fresh = true;
        return make(await reader.read(number));
      };
      const content = await (cacheDirectory === undefined
        ? makeEntry()
        : cached(cacheDirectory, `${name}-${identity}-${number}`, makeEntry));
      last = isLast(content);
      yield { content, fresh };
    }
  } finally {
    await reader.close();
  }
}

async function identityOf(file: SourceFile, settings: object): Promise<string> {
  const all = { CACHE_FORMAT, content: await file.content(), format: file.format, settings };
  return createHash('sha256').update(JSON.stringify(all)).digest('hex');
}

/** Reads shards of a file by number, going on where it was if it can. */
class ShardReader {
  readonly #file: SourceFile;
  #open: { readonly shards: AsyncIterator<Shard>; next: number } | null = null;

  constructor(file: SourceFile) {
    this.#file = file;
  }

  async read(number: number): Promise<Shard> {
    if (this.#open?.next !== number) {
      await this.close();
      this.#open = { shards: this.#file.shards(number)[Symbol.asyncIterator](), next: number };
    }
    this.#open.next++;
    const { value, done } = await this.#open.shards.next();
    if (done === true) {
      throw new Error(`${this.#file.name} ended before its shard ${number}; it may have changed while it was read.`);
    }
    return value;
  }

  async close(): Promise<void> {
    await this.#open?.shards.return?.();
    this.#open = null;
  }
}

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** A file whose documents are kept on disk, compressed, once they were read. */
export function cachedFile(file: SourceFile, cacheDirectory: string): SourceFile {
  // One byte says whether a shard is the last, so that this is known without its text.
  const options: ShardCacheOptions = {
    cacheDirectory,
    name: 'text',
    settings: {},
    make: async ({ documents, last }) =>
      Buffer.concat([Uint8Array.of(last ? 1 : 0), await compress(JSON.stringify(documents))]),
    isLast: (content) => content[0] === 1,
  };
  return {
    ...file,
    async *shards(first) {
      for await (const { content } of shardEntries(file, first, options)) {
        yield {
          documents: JSON.parse(String(await decompress(content.subarray(1)))),
          last: content[0] === 1,
        };
      }
    },
  };
}
