/**
 * Plain text files as a corpus: one document per file. Node only.
 */

import { readFileSync } from 'node:fs';
import type { Document } from '../documents.ts';

export interface TextFileOptions {
  /** Recorded in every document; none by default. */
  readonly domain?: string;
}

/**
 * Reads UTF-8 text files, each as one document whose id is its path as given. A byte order mark is dropped.
 *
 * @throws Error naming the file when it cannot be read, is not UTF-8 or is empty; RangeError when no path is given
 */
export function loadTextFiles(paths: readonly string[], options: TextFileOptions = {}): Document[] {
  if (paths.length === 0) {
    throw new RangeError('loadTextFiles: got no paths. Name at least one text file (did a glob match nothing?).');
  }
  return paths.map((path) => ({ id: path, text: readText(path), ...options }));
}

function readText(path: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new Error(`loadTextFiles: cannot read ${path} (${String(cause)}). Give paths of text files.`, { cause });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`loadTextFiles: ${path} is not UTF-8 text; convert it to UTF-8 first.`, { cause });
  }
  if (text === '') {
    throw new Error(`loadTextFiles: ${path} is empty; leave it out.`);
  }
  return text;
}
