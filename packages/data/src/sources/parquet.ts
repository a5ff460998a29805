/**
 * Parquet as a source: a row a document, one column the text, read by row group. Node only.
 */

import { namesText } from '../excerpt.ts';
import type { ByteFile } from './bytes.ts';
import { asText } from './jsonl.ts';
import { type ParquetContent, ParquetReader, ParquetTimeout } from './parquet-reader.ts';
import { fileDocument, SHARD_DOCUMENTS, type Shard, type SourceFile } from './source.ts';

/**
 * One parquet file, a shard a row group, or several where that has many rows. Rows whose text is empty or null are
 * passed over. Reading throws an Error that names the file, row and column that is wrong.
 */
export function parquetFile(file: ByteFile, column: string): SourceFile {
  return {
    name: file.name,
    byteLength: file.byteLength,
    content: () => file.content(),
    format: { type: 'parquet', column },
    shards: (first) => readRowGroups(file, column, first),
  };
}

async function* readRowGroups(file: ByteFile, column: string, first: number): AsyncGenerator<Shard> {
  const reader = new ParquetReader(file, column);
  try {
    const { groups } = await open(reader, file, column);
    if (groups.length === 0) {
      yield { documents: [], last: true };
    }
    let number = 0;
    let rowStart = 0;
    for (const [index, rows] of groups.entries()) {
      const shards = Math.ceil(rows / SHARD_DOCUMENTS);
      if (number + shards > first) {
        const documents = await readRows(reader, file, column, rowStart, rowStart + rows);
        for (let part = Math.max(first - number, 0); part < shards; part++) {
          yield {
            documents: documents
              .slice(part * SHARD_DOCUMENTS, (part + 1) * SHARD_DOCUMENTS)
              .filter(({ text }) => text !== ''),
            last: index === groups.length - 1 && part === shards - 1,
          };
        }
      }
      number += shards;
      rowStart += rows;
    }
  } finally {
    await reader.close();
  }
}

/** Row groups that have rows. */
async function open(reader: ParquetReader, file: ByteFile, column: string): Promise<Pick<ParquetContent, 'groups'>> {
  const { columns, groups } = await readable(file, () => reader.open());
  if (!columns.includes(column)) {
    throw new Error(
      `parquet: ${file.name} has no column ${JSON.stringify(column)}; it has: ${namesText(columns)}. ` +
        'Name the one that holds the text.',
    );
  }
  return { groups: groups.filter((rows) => rows > 0) };
}

async function readRows(
  reader: ParquetReader,
  file: ByteFile,
  column: string,
  rowStart: number,
  rowEnd: number,
): Promise<Shard['documents']> {
  const values = await readable(file, () => reader.read(rowStart, rowEnd));
  if (values.length !== rowEnd - rowStart) {
    throw new Error(
      `parquet: ${file.name} is not a whole parquet file (${values.length} of ${rowEnd - rowStart} rows in a row group); ` +
        'get or write it again.',
    );
  }
  return values.map((value, index) =>
    fileDocument(asText(value, `parquet: ${file.name} row ${rowStart + index}: the column ${JSON.stringify(column)}`)),
  );
}

/** Names the file in the errors of the parquet reader. */
async function readable<T>(file: ByteFile, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof ParquetTimeout) throw new Error(`parquet: ${file.name}: ${cause.message}.`, { cause });
    const message = cause instanceof Error ? cause.message : String(cause);
    // What the file itself says of a failed read names it already.
    throw message.includes(file.name)
      ? cause
      : new Error(`parquet: ${file.name} is not a whole parquet file (${message}); get or write it again.`, { cause });
  }
}
