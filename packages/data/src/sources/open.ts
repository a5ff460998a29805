/**
 * From what a configuration says to sources that can be read. Node only.
 */

import * as z from 'zod';
import { type ByteFile, openLocalFiles } from './bytes.ts';
import { type HubAccess, openHub } from './hub.ts';
import { jsonLinesFile } from './jsonl.ts';
import { parquetFile } from './parquet.ts';
import { stem } from './paths.ts';
import { loadStateOfTheUnion } from './sotu.ts';
import { commonOptions, documentSource, type Source, type SourceFile } from './source.ts';
import { type JsonLinesSpec, type ParquetSpec, type SourceSpec, sourceSpecSchema } from './spec.ts';
import { openText } from './text.ts';

export interface OpenOptions {
  /** How to reach the hub, where the environment does not say it. */
  readonly hub?: HubAccess | undefined;
  /** Where what comes from the hub is kept; nothing is without it. */
  readonly cacheDirectory?: string | undefined;
}

/**
 * Checks a spec and finds its files; reads none of their text yet.
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
      return documentSource(loadStateOfTheUnion(), spec);
    case 'text':
      return openText(spec);
    case 'jsonl':
      return openFiles(spec, (file) => jsonLinesFile(file, spec.field ?? 'text'));
    case 'parquet':
      return openFiles(spec, (file) => parquetFile(file, spec.column ?? 'text'));
    case 'hub':
      return openHub(spec, { access: hub, cacheDirectory });
  }
}

/** Opens local files that are read in a format of theirs; a single one names the domain. */
async function openFiles(
  spec: JsonLinesSpec | ParquetSpec,
  asDocuments: (file: ByteFile) => SourceFile,
): Promise<Source> {
  const files = await openLocalFiles(spec.type, spec.paths);
  return {
    ...commonOptions({ ...spec, domain: spec.domain ?? (files.length === 1 ? stem(files[0]!.name) : spec.type) }),
    splitBy: 'place',
    files: files.map(asDocuments),
  };
}
