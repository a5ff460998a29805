/**
 * Plain text files as a source, large ones cut into documents. Node only.
 */

import { readFile } from 'node:fs/promises';
import type { Document } from '../documents.ts';
import { fileIdentity, findPaths, stem } from './paths.ts';
import { commonOptions, gatherShards, type Source, type SourceFile } from './source.ts';
import type { TextSpec } from './spec.ts';

const DEFAULT_CHARACTERS = 8192;
/** JavaScript's longest string is a little longer. */
const LARGEST_FILE = 2 ** 29;

/**
 * Opens UTF-8 text files. A byte order mark is dropped. Documents' ids are the path, and a number if a file has
 * several.
 *
 * @throws Error naming the pattern that matches no file; when read, Error naming the file that cannot be read, is not
 *   UTF-8 or is empty
 */
export async function openText(spec: TextSpec): Promise<Source> {
  const { separator = null, documentCharacters = DEFAULT_CHARACTERS } = spec;
  const paths = await findPaths('text', spec.paths);
  const open = async (path: string): Promise<SourceFile> => {
    const identity = await fileIdentity('text', path);
    return {
      name: path,
      origin: identity.path,
      key: { ...identity, separator, documentCharacters },
      shards: (first) => gatherShards(readDocuments(path, separator, documentCharacters), first),
    };
  };
  return {
    ...commonOptions({ ...spec, domain: spec.domain ?? (paths.length === 1 ? stem(paths[0]!) : 'text') }),
    splitBy: 'size',
    files: await Promise.all(paths.map(open)),
  };
}

async function* readDocuments(path: string, separator: string | null, characters: number): AsyncGenerator<Document> {
  const text = await readText(path);
  const parts = separator === null ? [...cutText(text, characters)] : text.split(separator);
  const whole = parts.filter((part) => part.trim() !== '');
  if (whole.length === 0) {
    throw new Error(`text: ${path} has no text between its separators ${JSON.stringify(separator)}; leave it out.`);
  }
  for (const [index, part] of whole.entries()) {
    yield { id: whole.length === 1 ? path : `${path}#${index + 1}`, text: part };
  }
}

/**
 * Cuts a text into pieces that joined are the text, each but the last of at least `characters` and, wherever there is a
 * place to cut, less than twice that: after a blank line, else after a line, else after white space, else anywhere.
 */
export function* cutText(text: string, characters: number): Generator<string> {
  let start = 0;
  while (text.length - start > 1.5 * characters) {
    const window = text.slice(start + characters - 1, start + 2 * characters);
    const place = [/\n\s*\n/, /\n/, /\s/].map((pattern) => pattern.exec(window)).find((match) => match !== null);
    let end = start + characters;
    if (place !== undefined) {
      end += place.index + place[0].length - 1;
    } else if (/[\uDC00-\uDFFF]/.test(text[end]!)) {
      // Never between the halves of a surrogate pair.
      end++;
    }
    yield text.slice(start, end);
    start = end;
  }
  if (start < text.length) {
    yield text.slice(start);
  }
}

async function readText(path: string): Promise<string> {
  const { size } = await fileIdentity('text', path);
  if (size > LARGEST_FILE) {
    throw new Error(
      `text: ${path} has ${size} bytes; files of more than ${LARGEST_FILE} are not read whole. ` +
        'Split it into several files, or write a document a line as JSONL.',
    );
  }
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new Error(`text: cannot read ${path} (${String(cause)}). Give paths of text files.`, { cause });
  });
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`text: ${path} is not UTF-8 text; convert it to UTF-8 first.`, { cause });
  }
  if (text.trim() === '') {
    throw new Error(`text: ${path} is empty; leave it out.`);
  }
  return text;
}
