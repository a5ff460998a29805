/**
 * Files as ranges of bytes, on disk or far away. Node only.
 */

import { asyncBufferFromFile } from 'hyparquet';
import { fileIdentity, findPaths } from './paths.ts';

/** A file of which any range of bytes can be read. */
export interface ByteFile {
  /** For messages: a path or an address. */
  readonly name: string;
  /** Where the bytes are, the same however a path is written: no two sources may have the same. */
  readonly origin: string;
  /** What tells its content from another's, as plain data. */
  readonly key: object;
  readonly byteLength: number;
  /** Bytes from `start` up to, and without, `end`. */
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

/** The local files of paths and globs. */
export async function openLocalFiles(owner: string, patterns: readonly string[]): Promise<ByteFile[]> {
  const paths = await findPaths(owner, patterns);
  return Promise.all(
    paths.map(async (path) => {
      const identity = await fileIdentity(owner, path);
      const buffer = await asyncBufferFromFile(path);
      return {
        name: path,
        origin: identity.path,
        key: identity,
        byteLength: identity.size,
        slice: async (start, end) => {
          try {
            return await buffer.slice(start, end);
          } catch (cause) {
            throw new Error(`${owner}: cannot read ${path} (${String(cause)}).`, { cause });
          }
        },
      };
    }),
  );
}

const CHUNK = 2 ** 22;

/** A file from its beginning to its end, in chunks. */
export async function* readChunks(file: ByteFile): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < file.byteLength; start += CHUNK) {
    yield new Uint8Array(await file.slice(start, Math.min(start + CHUNK, file.byteLength)));
  }
}
