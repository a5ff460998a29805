/**
 * The split of sources: which of their documents are held out. Node only.
 */

import { chooseHeldOut, holdOutByRank, type SplitOptions } from './documents.ts';
import { shardEntries } from './sources/shard-cache.ts';
import type { Shard, Source } from './sources/source.ts';

/** Says of a document, by its id, whether it is held out. */
export type Split = (id: string) => boolean;

/**
 * Decides what to hold out of each source. A document that several sources have is in the same part of all of them.
 *
 * @param sources with the names of their domains, for messages
 * @throws RangeError when a source has a single document, so that none can be held out
 */
export async function splitSources(
  sources: readonly (Source & { readonly domain: string })[],
  { cacheDirectory, ...options }: SplitOptions & { readonly cacheDirectory?: string | undefined },
): Promise<Split> {
  const byRank = holdOutByRank(options);
  if (options.heldOutFraction === 0) {
    return () => false;
  }
  const decided = new Map<string, boolean>();
  for (const source of sources.filter(({ splitBy }) => splitBy === 'size')) {
    const sizes = await readSizes(source, cacheDirectory);
    if (new Set(sizes.map(({ id }) => id)).size < 2) {
      throw new RangeError(
        `prepareTokens: the source of ${JSON.stringify(source.domain)} is a single document, so none can be held out. ` +
          'Give more text, cut it into several (separator or documentCharacters of a text source), or set heldOutFraction to 0.',
      );
    }
    const heldOut = chooseHeldOut(sizes, options);
    for (const { id } of sizes) {
      decided.set(id, heldOut.has(id));
    }
  }
  return (id) => decided.get(id) ?? byRank(id);
}

/** What there is to know of a shard before the split. */
interface ShardSizes {
  readonly last: boolean;
  readonly documents: readonly { readonly id: string; readonly characters: number }[];
}

/** Bytes up to which a file is read as soon as what is kept of it. */
const SMALL_FILE = 2 ** 24;

/** Every document of a source; of large files from the cache, so that a second start need not read them for it. */
async function readSizes(
  source: Source,
  cacheDirectory: string | undefined,
): Promise<ShardSizes['documents'][number][]> {
  const all: ShardSizes['documents'][number][] = [];
  for (const file of source.files) {
    const entries = shardEntries(file, 0, {
      cacheDirectory: file.byteLength > SMALL_FILE ? cacheDirectory : undefined,
      name: 'sizes',
      settings: {},
      make: writeSizes,
      isLast: (content) => parseSizes(content).last,
    });
    for await (const { content } of entries) {
      all.push(...parseSizes(content).documents);
    }
  }
  return all;
}

function writeSizes({ documents, last }: Shard): Uint8Array {
  const sizes: ShardSizes = { last, documents: documents.map(({ id, text }) => ({ id, characters: text.length })) };
  return new TextEncoder().encode(JSON.stringify(sizes));
}

function parseSizes(content: Uint8Array): ShardSizes {
  return JSON.parse(new TextDecoder().decode(content));
}
