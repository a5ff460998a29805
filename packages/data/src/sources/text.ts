/**
 * Plain text as a source: one file of it, cut into documents where it is large. Node only.
 */

import type { Document } from '../documents.ts';
import type { ByteFile } from './bytes.ts';
import { fileDocument, gatherShards, type SourceFile } from './source.ts';
import type { TextSpec } from './spec.ts';

const DEFAULT_CHARACTERS = 8192;
/** JavaScript's longest string is a little longer. */
const LARGEST_FILE = 2 ** 29;
/** Bytes of a file's beginning in which text has no zero; UTF-16 without a mark and most that is no text have one. */
const FIRST_BLOCK = 2 ** 16;

/**
 * A UTF-8 text file. A byte order mark is dropped. A line end in the separator stands for that of Windows too. Reading
 * throws an Error naming the file that is too large, no text, not UTF-8 or empty.
 */
export function textFile(
  file: ByteFile,
  { separator, documentCharacters = DEFAULT_CHARACTERS }: Pick<TextSpec, 'separator' | 'documentCharacters'>,
): SourceFile {
  return {
    name: file.name,
    byteLength: file.byteLength,
    content: () => file.content(),
    format: separator === undefined ? { type: 'text', documentCharacters } : { type: 'text', separator },
    shards: (first) => gatherShards(readDocuments(file, separator, documentCharacters), first),
  };
}

async function* readDocuments(
  file: ByteFile,
  separator: string | undefined,
  characters: number,
): AsyncGenerator<Document> {
  const text = await readText(file);
  const parts = separator === undefined ? [...cutText(text, characters)] : text.split(lineEndsOfAnyKind(separator));
  const whole = parts.filter((part) => part.trim() !== '');
  if (whole.length === 0) {
    throw new Error(
      `text: ${file.name} has no text between its separators ${JSON.stringify(separator)}; leave it out.`,
    );
  }
  yield* whole.map(fileDocument);
}

function lineEndsOfAnyKind(separator: string): RegExp {
  const lines = separator.split(/\r?\n/).map((line) => line.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
  return new RegExp(lines.join('\\r?\\n'));
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

async function readText(file: ByteFile): Promise<string> {
  const { name, byteLength } = file;
  if (byteLength > LARGEST_FILE) {
    throw new Error(
      `text: ${name} has ${byteLength} bytes; files of more than ${LARGEST_FILE} are not read whole. ` +
        'Split it into several files, or write a document a line as JSONL.',
    );
  }
  const bytes = await file.slice(0);
  if (new Uint8Array(bytes, 0, Math.min(FIRST_BLOCK, bytes.byteLength)).includes(0)) {
    throw new Error(
      `text: ${name} has bytes of zero, so it is UTF-16 or no text; convert it to UTF-8, or leave it out.`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`text: ${name} is not UTF-8 text; convert it to UTF-8 first.`, { cause });
  }
  if (text.trim() === '') {
    throw new Error(`text: ${name} is empty; leave it out.`);
  }
  return text;
}
