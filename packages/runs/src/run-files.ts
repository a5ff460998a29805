/** How the files of a run are reached, so that a server can put its own safeguards in between. */
import { type FileHandle, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openRegular, textOf } from '@lpr/guard';
import { hasCode } from './files.ts';
import { messageOf } from './plain.ts';

/** Paths are below the run's folder, parts joined by '/'. */
export interface RunFiles {
  /** Opens a plain file to read. Rejects with the error of the file system where there is none. */
  open(path: string): Promise<FileHandle>;
  /** Names in a folder. Rejects likewise. */
  list(path: string): Promise<readonly string[]>;
}

/** The files of a folder, without more ado. */
export function filesIn(folder: string): RunFiles {
  return {
    open: (path) => openRegular(join(folder, path)),
    list: (path) => readdir(join(folder, path)),
  };
}

/** Opens a file, lets `body` read it, and closes it. */
export async function withFile<Result>(
  files: RunFiles,
  path: string,
  body: (file: FileHandle) => Promise<Result>,
): Promise<Result> {
  const file = await files.open(path);
  try {
    return await body(file);
  } finally {
    await file.close();
  }
}

/** Settings and the like are small; what is larger is none. */
export const MAX_SMALL_FILE_BYTES = 2 ** 24;

/** The text of a file that is never large. */
export async function readSmall(file: FileHandle): Promise<string> {
  return await textOf(file, MAX_SMALL_FILE_BYTES);
}

/** Node reads no more at once. */
const PART_BYTES = 2 ** 30;

/** All bytes of a file, however large: Node's own way refuses two gibibytes. */
export async function readWhole(file: FileHandle): Promise<Uint8Array> {
  const { size } = await file.stat();
  const bytes = Buffer.allocUnsafe(size);
  let end = 0;
  for (let read = 1; read > 0 && end < size; end += read) {
    read = (await file.read(bytes, end, Math.min(PART_BYTES, size - end), end)).bytesRead;
  }
  return bytes.subarray(0, end);
}

/** Names in a folder; none where there is no such folder. */
export async function namesIn(files: RunFiles, path: string): Promise<readonly string[]> {
  return await files.list(path).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return [];
    throw error;
  });
}

/** What was read, or a sentence that says why it could not be. */
export type Part<T> = { readonly value: T } | { readonly value?: undefined; readonly missing: string };

/** Reads a part of a run; what is wrong with it names the file. */
export async function readPart<T>(
  files: RunFiles,
  path: string,
  read: (file: FileHandle) => Promise<T>,
): Promise<Part<T>> {
  try {
    return { value: await withFile(files, path, read) };
  } catch (error) {
    return { missing: hasCode(error, 'ENOENT') ? `${path} is missing` : `${path}: ${messageOf(error)}` };
  }
}
