/**
 * From what a configuration says to sources that can be read. Node only.
 */

import * as z from 'zod';
import type { Document } from '../documents.ts';
import { type ByteFile, openLocalFiles } from './bytes.ts';
import { type HubAccess, openHub } from './hub.ts';
import { JSON_LINES, jsonLinesFile } from './jsonl.ts';
import { parquetFile } from './parquet.ts';
import { pathNames } from './names.ts';
import { loadStateOfTheUnion } from './sotu.ts';
import { documentSource, sharesOf, type Source, type SourceFile } from './source.ts';
import {
  type JsonLinesSpec,
  type ParquetSpec,
  type SourceSpec,
  sourceSpecSchema,
  type StateOfTheUnionSpec,
  type TextSpec,
} from './spec.ts';
import { cutText, textFile } from './text.ts';

export interface OpenOptions {
  /** How to reach the hub, where the environment does not say it. */
  readonly hub?: HubAccess | undefined;
  /** Where what comes from the hub is kept; nothing is without it. */
  readonly cacheDirectory?: string | undefined;
}

/**
 * Checks a spec and finds its files; reads nothing of them yet.
 *
 * @throws RangeError saying which field is wrong; Error when files are missing or the hub cannot be read
 */
export async function openSource(spec: SourceSpec, { hub, cacheDirectory }: OpenOptions = {}): Promise<Source> {
  const checked = sourceSpecSchema.safeParse(spec);
  if (!checked.success) {
    throw new RangeError(`source ${JSON.stringify(spec)}:\n${z.prettifyError(checked.error)}`);
  }
  switch (spec.type) {
    case 'state-of-the-union':
      return documentSource(addresses(spec), spec);
    case 'text':
      return openFiles(spec, 'size', (file) => textOrRecords(file, spec));
    case 'jsonl':
      return openFiles(spec, splitOf(spec), (file) => jsonLinesFile(file, spec.field ?? 'text'));
    case 'parquet':
      return openFiles(spec, splitOf(spec), (file) => parquetFile(file, spec.column ?? 'text'));
    case 'hub':
      return openHub(spec, { access: hub, cacheDirectory });
  }
}

function addresses({ documentCharacters }: StateOfTheUnionSpec): Document[] {
  const whole = loadStateOfTheUnion();
  if (documentCharacters === undefined) return whole;
  return whole.flatMap(({ id, text, ...rest }) =>
    Array.from(cutText(text, documentCharacters), (piece, i) => ({ id: `${id}/${i}`, text: piece, ...rest })),
  );
}

/** Opens local files that are read in a format of theirs. */
async function openFiles(
  spec: TextSpec | JsonLinesSpec | ParquetSpec,
  splitBy: Source['splitBy'],
  asDocuments: (file: ByteFile) => SourceFile,
): Promise<Source> {
  const files = await openLocalFiles(spec.type, spec.paths);
  return {
    ...sharesOf(spec),
    names: spec.domain === undefined ? pathNames(spec.type, spec.paths) : [spec.domain],
    splitBy,
    files: files.map(asDocuments),
  };
}

/** Files that are not read to their end are not gone over first either. */
function splitOf({ maxTokens }: JsonLinesSpec | ParquetSpec): Source['splitBy'] {
  return maxTokens === undefined ? 'size' : 'rank';
}

/** A file among those named as text: its ending says when it holds records instead, whose field or column is `text`. */
function textOrRecords(file: ByteFile, spec: TextSpec): SourceFile {
  const type = JSON_LINES.test(file.name) ? 'jsonl' : /\.parquet$/i.test(file.name) ? 'parquet' : null;
  if (type === null) {
    return textFile(file, spec);
  }
  for (const option of ['separator', 'documentCharacters'] as const) {
    if (spec[option] !== undefined) {
      throw new RangeError(
        `text: ${file.name} is read as ${type}, a document a record, where ${option} has no meaning. ` +
          `Give it a source of its own, of type ${type}.`,
      );
    }
  }
  return type === 'jsonl' ? jsonLinesFile(file, 'text') : parquetFile(file, 'text');
}
