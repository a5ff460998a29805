/**
 * Parquet as a source: a row a document, one column the text, read by row group. Node only.
 */

import { type FileMetaData, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { ByteFile } from './bytes.ts';
import { asText } from './jsonl.ts';
import type { Shard, SourceFile } from './source.ts';

/**
 * One parquet file, a shard a row group. Rows whose text is empty or null are passed over. Documents' ids are the file's name
 * and the number of the row, from 0. Reading throws an Error that names the file, row and column that is wrong.
 */
export function parquetFile(file: ByteFile, column: string): SourceFile {
  return {
    name: file.name,
    key: { ...file.key, format: 'parquet', column },
    shards: (first) => readRowGroups(file, column, first),
  };
}

async function* readRowGroups(file: ByteFile, column: string, first: number): AsyncGenerator<Shard> {
  const metadata = await readMetadata(file, column);
  const rows = metadata.row_groups.map((group) => Number(group.num_rows));
  let rowStart = rows.slice(0, first).reduce((sum, count) => sum + count, 0);
  // A file without rows is one empty shard.
  for (let number = first; number < Math.max(rows.length, 1); number++) {
    const rowEnd = rowStart + (rows[number] ?? 0);
    yield {
      documents: await readRows(file, metadata, column, rowStart, rowEnd),
      last: number >= rows.length - 1,
    };
    rowStart = rowEnd;
  }
}

async function readMetadata(file: ByteFile, column: string): Promise<FileMetaData> {
  const metadata = await readable(file, () => parquetMetadataAsync(file));
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
  if (!columns.includes(column)) {
    throw new Error(
      `parquet: ${file.name} has no column ${JSON.stringify(column)}; it has: ${columns.join(', ')}. ` +
        'Name the one that holds the text.',
    );
  }
  return metadata;
}

async function readRows(
  file: ByteFile,
  metadata: FileMetaData,
  column: string,
  rowStart: number,
  rowEnd: number,
): Promise<Shard['documents']> {
  if (rowEnd === rowStart) {
    return [];
  }
  const rows = await readable(file, () =>
    parquetReadObjects({ file, metadata, columns: [column], rowStart, rowEnd, compressors }),
  );
  return rows
    .map((row, index) => ({
      id: `${file.name}#${rowStart + index}`,
      text: asText(row[column], `parquet: ${file.name} row ${rowStart + index}: the column ${JSON.stringify(column)}`),
    }))
    .filter(({ text }) => text !== '');
}

/** Names the file in the errors of the parquet reader. */
async function readable<T>(file: ByteFile, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    // What the file itself says of a failed read names it already.
    throw message.includes(file.name)
      ? cause
      : new Error(`parquet: ${file.name} is not a whole parquet file (${message}); get or write it again.`, { cause });
  }
}
