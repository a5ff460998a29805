/**
 * A small cache on disk for what is slow to make and decided by its inputs: trained tokenizers, token streams. Node
 * only.
 *
 * An entry is one file: the SHA-256 of its content, then the content. It is written under a temporary name, synced and
 * renamed, so a reader sees all of it or nothing; an entry whose checksum fails is made again.
 */

import { createHash, randomUUID } from 'node:crypto';
import { access, constants, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '@lpr/guard';
import type { Document } from './documents.ts';

/** Part of every key; to be raised when the same inputs come to give another entry. */
export const CACHE_FORMAT = 3;

const CHECKSUM_BYTES = 32;
/** How the names of entries end that are not written yet. */
const TEMPORARY = '.tmp';
/** Milliseconds after which an entry that is still half written was left by a process that was killed. */
const STALE_AFTER = 3_600_000;

/**
 * Makes a directory for a cache, where there is none, and removes what killed processes have left half written.
 *
 * @returns why nothing can be kept in the directory; null when something can
 */
export async function openCache(directory: string): Promise<Error | null> {
  try {
    await makeFolder(directory);
    await access(directory, constants.W_OK);
    const left = (await readdir(directory)).filter((name) => name.endsWith(TEMPORARY));
    // Another process may have finished one by now, or another user may own it.
    await Promise.allSettled(left.map((name) => removeStale(join(directory, name))));
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function removeStale(path: string): Promise<void> {
  const { mtimeMs } = await stat(path);
  if (Date.now() - mtimeMs > STALE_AFTER) {
    await rm(path);
  }
}

/**
 * Gives an entry of the cache, made now if it is missing or damaged. Processes may share a directory.
 *
 * @param directory made if need be
 * @param key the entry's file name: letters, digits, `.`, `_` and `-`; must change with everything the content depends
 *   on (`contentKey` makes such a key)
 * @param make makes the content
 * @throws RangeError for another key; Error naming the directory when it cannot be read or written; what `make` throws
 */
export async function cached(
  directory: string,
  key: string,
  make: () => Uint8Array | Promise<Uint8Array>,
): Promise<Uint8Array> {
  if (!/^[\w-][\w.-]*$/.test(key)) {
    throw new RangeError(
      `cached: the key ${JSON.stringify(key)} is no plain file name; use letters, digits, ".", "_" and "-" only.`,
    );
  }
  const path = join(directory, key);
  const found = await readEntry(path);
  if (found !== null) {
    return found;
  }
  const content = await make();
  try {
    await makeFolder(directory);
    await writeEntry(path, content);
  } catch (cause) {
    throw new Error(`cached: cannot write ${path} (${String(cause)}). Choose a cache directory that can be written.`, {
      cause,
    });
  }
  return content;
}

/**
 * A key for what is made from documents under some settings: a SHA-256 over both, in hexadecimal.
 *
 * @param settings anything JSON can write; the order of its fields counts
 */
export function contentKey(settings: object, documents: readonly Document[]): string {
  const hash = createHash('sha256').update(JSON.stringify(settings));
  for (const { id, text } of documents) {
    // The lengths keep two different lists of documents from running together into the same bytes.
    hash.update(`\n${id.length} ${text.length}\n`).update(id).update(text);
  }
  return hash.digest('hex');
}

/** @returns null when there is no entry, or a damaged one */
async function readEntry(path: string): Promise<Uint8Array | null> {
  let file: Uint8Array;
  try {
    file = await readFile(path);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')) {
      return null;
    }
    throw new Error(`cached: cannot read ${path} (${String(cause)}). Choose another cache directory.`, { cause });
  }
  // A copy, so that callers get a plain array with a buffer of its own.
  const content = new Uint8Array(file.subarray(CHECKSUM_BYTES));
  return checksum(content).equals(file.subarray(0, CHECKSUM_BYTES)) ? content : null;
}

async function writeEntry(path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}${TEMPORARY}`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(checksum(content));
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function checksum(content: Uint8Array): Buffer {
  return createHash('sha256').update(content).digest();
}
