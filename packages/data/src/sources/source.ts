/**
 * A source: where documents of one domain come from, in files that are read in shards, so that a corpus may be larger
 * than memory and a read that stopped goes on where it was.
 */

import { createHash } from 'node:crypto';
import { contentKey } from '../cache.ts';
import type { Document } from '../documents.ts';

/** The documents of one file that are read, encoded and cached together. */
export interface Shard {
  readonly documents: readonly Document[];
  /** Whether the file ends here. */
  readonly last: boolean;
}

export interface SourceFile {
  /** For messages: a path or an address. */
  readonly name: string;
  /** Files that differ in it have different content; that of documents in memory is their characters. */
  readonly byteLength: number;
  /**
   * A hash of what the file holds: with `format`, it decides what the shards are, and caches tell files apart by it.
   */
  content(): Promise<string>;
  /** How the file is read, as plain data. */
  readonly format: object;
  /** Reads the shards from number `first` on, which must exist; the last one says so. */
  shards(first: number): AsyncIterable<Shard>;
}

export interface Source {
  /** What its domain may be called, the shortest name first (`chooseNames`); just the one where a domain is given. */
  readonly names: readonly string[];
  /** See `TokenStream`. */
  readonly weight?: number;
  /** Reading stops with the document that reaches this number of tokens, both parts of the split together. */
  readonly maxTokens?: number;
  /**
   * How documents are held out: `'size'` (`splitDocuments`) takes a pass over all of them first, `'rank'`
   * (`holdOutByRank`) takes none.
   */
  readonly splitBy: 'size' | 'rank';
  readonly files: readonly SourceFile[];
}

/** What every source may be given. */
export interface SourceOptions {
  readonly domain?: string | undefined;
  readonly weight?: number | undefined;
  readonly maxTokens?: number | undefined;
}

/**
 * A source of documents that are in memory.
 *
 * @param options the domain is that of the first document unless given, or `'text'`
 */
export function documentSource(documents: readonly Document[], options: SourceOptions = {}): Source {
  const content = `documents:${contentKey({}, documents)}`;
  const domain = options.domain ?? documents[0]?.domain ?? 'text';
  return {
    ...sharesOf(options),
    names: [domain],
    splitBy: 'size',
    files: [
      {
        name: domain,
        byteLength: documents.reduce((sum, { text }) => sum + text.length, 0),
        content: () => Promise.resolve(content),
        format: {},
        shards: (first) => gatherShards(documents, first),
      },
    ],
  };
}

/** Weight and `maxTokens`, where they are given. */
export function sharesOf({ weight, maxTokens }: SourceOptions): Pick<Source, 'weight' | 'maxTokens'> {
  return { ...(weight === undefined ? {} : { weight }), ...(maxTokens === undefined ? {} : { maxTokens }) };
}

/** A document of a file: it is known by its text, not by the place that it was read from. */
export function fileDocument(text: string): Document {
  return { id: createHash('sha256').update(text).digest('hex').slice(0, 32), text };
}

/** How many documents a shard has at most. */
export const SHARD_DOCUMENTS = 1024;
/** Characters after which a shard is full though it has fewer documents. */
const SHARD_CHARACTERS = 2 ** 23;

/** Gathers documents into shards and leaves out those before shard `first`. */
export async function* gatherShards(
  documents: AsyncIterable<Document> | Iterable<Document>,
  first: number,
): AsyncGenerator<Shard> {
  let number = 0;
  let characters = 0;
  let gathered: Document[] = [];
  for await (const document of documents) {
    // Only now is it known that the shard before is not the last.
    if (gathered.length === SHARD_DOCUMENTS || characters >= SHARD_CHARACTERS) {
      if (number >= first) {
        yield { documents: gathered, last: false };
      }
      number++;
      gathered = [];
      characters = 0;
    }
    gathered.push(document);
    characters += document.text.length;
  }
  yield { documents: gathered, last: true };
}
