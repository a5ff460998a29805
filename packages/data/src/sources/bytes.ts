/**
 * Files as ranges of bytes, on disk or far away. Node only.
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { asyncBufferFromFile } from 'hyparquet';
import { findPaths } from './paths.ts';

/** A file of which any range of bytes can be read. */
export interface ByteFile {
  /** For messages: a path or an address. */
  readonly name: string;
  readonly byteLength: number;
  /** A hash of its bytes: the same wherever the file lies and whatever it is called. */
  content(): Promise<string>;
  /** Bytes from `start` up to, and without, `end`. */
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

/**
 * The local files of paths and globs.
 *
 * @throws Error naming what is no file, and, when read, the file that cannot be read or was changed since
 */
export async function openLocalFiles(owner: string, patterns: readonly string[]): Promise<ByteFile[]> {
  const paths = await findPaths(owner, patterns);
  return Promise.all(paths.map((path) => openLocalFile(owner, path)));
}

async function openLocalFile(owner: string, path: string): Promise<ByteFile> {
  const reading = async <T>(read: () => T | Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (cause) {
      throw new Error(`${owner}: cannot read ${path} (${String(cause)}).`, { cause });
    }
  };
  const opened = await reading(() => stat(path));
  if (!opened.isFile()) {
    throw new Error(
      `${owner}: cannot read ${path}: it is ${opened.isDirectory() ? 'a folder' : 'no regular file'}. ` +
        `Name files${opened.isDirectory() ? `, such as ${path}/*` : ''}.`,
    );
  }
  // What is kept under a file's hash must have been read from the bytes that were hashed.
  const unchanged = async <T>(read: () => T | Promise<T>): Promise<T> => {
    const result = await reading(read);
    const now = await reading(() => stat(path));
    if (now.size !== opened.size || now.mtimeMs !== opened.mtimeMs) {
      throw new Error(`${owner}: ${path} was changed while it was read. Start again when it is written.`);
    }
    return result;
  };
  const buffer = await asyncBufferFromFile(path);
  let content: Promise<string> | null = null;
  return {
    name: path,
    byteLength: opened.size,
    content: () => (content ??= unchanged(() => hashFile(path))),
    slice: (start, end) => unchanged(() => buffer.slice(start, end)),
  };
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) {
    hash.update(chunk);
  }
  return `sha256:${hash.digest('hex')}`;
}

const CHUNK = 2 ** 22;

/** A file from its beginning to its end, in chunks. */
export async function* readChunks(file: ByteFile): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < file.byteLength; start += CHUNK) {
    yield new Uint8Array(await file.slice(start, Math.min(start + CHUNK, file.byteLength)));
  }
}
