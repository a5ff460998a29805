/** Texts for property tests. */

import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { Document } from '../src/documents.ts';
import { loadStateOfTheUnion } from '../src/sources/sotu.ts';
import type { Source } from '../src/sources/source.ts';

/** Any Unicode text: every plane, control characters, unassigned code points. */
export const UNICODE: fc.Arbitrary<string> = fc.string({ unit: 'binary', maxLength: 60 });

/** Text as people write it: words, digits, contractions, white space of many kinds, emoji, scripts without spaces. */
export const PROSE: fc.Arbitrary<string> = fc
  .array(fc.constantFrom(...parts()), { maxLength: 30 })
  .map((chosen) => chosen.join(''));

function parts(): string[] {
  const english = ['the', ' the', ' States', ' of', "don't", "WE'LL", "'s", ' 1,234.5', '…', '!!', 'ab'.repeat(20)];
  const space = [' ', '   ', '\n', '\r\n', '\t', '\u0085', '\u00a0', '\u2028', '\ufeff', '\u0000'];
  const unicode = ['🙂', '👩‍👩‍👧', ' é', 'e\u0301', '²', '漢字かな', 'हिन्दी'];
  const special = ['<|endoftext|>', '<|endof', '|>'];
  return [...english, ...space, ...unicode, ...special];
}

/** A few hundred kilobytes of the default corpus, enough to train a small vocabulary in a blink. */
export const ADDRESSES: readonly string[] = loadStateOfTheUnion()
  .filter((_, index) => index % 25 === 0)
  .map(({ text }) => text);

/** Every document of a source. */
export async function readSource({ files }: Source): Promise<Document[]> {
  const documents: Document[] = [];
  for (const file of files) {
    for await (const shard of file.shards(0)) {
      documents.push(...shard.documents);
    }
  }
  return documents;
}

/** Texts as JSON lines. */
export function jsonLines(texts: readonly string[]): string {
  return texts.map((text) => `${JSON.stringify({ id: 7, text })}\n`).join('');
}

/** Columns as a parquet file. */
export function parquet(
  columns: Readonly<Record<string, readonly (string | number | null)[]>>,
  options: { readonly rowGroupSize?: number; readonly codec?: 'SNAPPY' | 'GZIP' },
): Uint8Array {
  const columnData = Object.entries(columns).map(([name, data]) => ({ name, data: [...data] }));
  return new Uint8Array(
    parquetWriteBuffer({ columnData, ...options, compressors: { GZIP: (bytes) => gzipSync(bytes) } }),
  );
}
