/**
 * JSON lines as a source: an object a line, one of its fields the text; plain or, where the name ends in `.gz`,
 * gzipped. Node only.
 */

import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Document } from '../documents.ts';
import { excerptOf, namesText, shortened } from '../excerpt.ts';
import { type ByteFile, readChunks } from './bytes.ts';
import { fileDocument, gatherShards, type SourceFile } from './source.ts';

/** How the names of such files end; `.json` alone too, as most of the hub's do. */
export const JSON_LINES: RegExp = /\.(json|jsonl|ndjson)(\.gz)?$/i;
/** Bytes that a line may have. To read one takes several times as many, and twice as many make no string. */
const LONGEST_LINE = 2 ** 28;

/**
 * One file of JSON lines. Blank lines, and lines whose text is empty or null, are passed over; `NaN` and `Infinity`,
 * which Python writes, are taken for null. Reading throws an Error that names the file, line and field that is wrong.
 *
 * @param longest bytes of a line, the end of it left out
 */
export function jsonLinesFile(file: ByteFile, field: string, longest: number = LONGEST_LINE): SourceFile {
  return {
    name: file.name,
    byteLength: file.byteLength,
    content: () => file.content(),
    format: { type: 'jsonl', field, isCompressed: isCompressed(file) },
    shards: (first) => gatherShards(readDocuments(file, field, longest), first),
  };
}

async function* readDocuments(file: ByteFile, field: string, longest: number): AsyncGenerator<Document> {
  let number = 0;
  for await (const line of readLines(decompressed(file), longest)) {
    number++;
    const place = `${file.name} line ${number}`;
    if (line === null) {
      throw new Error(
        `jsonl: ${place} has more than ${longest} bytes. Each line must be one whole JSON object; ` +
          'cut a longer document into several.',
      );
    }
    const text = parseLine(line, field, place);
    if (text !== '') {
      yield fileDocument(text);
    }
  }
}

function isCompressed({ name }: ByteFile): boolean {
  return /\.gz$/i.test(name);
}

async function* decompressed(file: ByteFile): AsyncGenerator<Uint8Array> {
  if (!isCompressed(file)) {
    yield* readChunks(file);
    return;
  }
  const gunzip = createGunzip();
  // An error on either side reaches the loop below through the stream it ends in.
  pipeline(readChunks(file), gunzip, () => {});
  try {
    yield* gunzip;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && String(cause.code).startsWith('Z_')) {
      throw new Error(`jsonl: ${file.name} is not whole gzip data (${cause.message}); get the file again.`, { cause });
    }
    throw cause;
  }
}

const NEWLINE = 0x0a;

/** Lines without their ends; null, the last, for one that is longer than it may be. */
async function* readLines(chunks: AsyncIterable<Uint8Array>, longest: number): AsyncGenerator<Buffer | null> {
  let begun: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    let start = 0;
    while (start < chunk.length) {
      const end = chunk.indexOf(NEWLINE, start);
      const part = chunk.subarray(start, end === -1 ? chunk.length : end);
      length += part.length;
      if (length > longest) {
        yield null;
        return;
      }
      begun.push(part);
      if (end !== -1) {
        yield Buffer.concat(begun);
        begun = [];
        length = 0;
      }
      start += part.length + 1;
    }
  }
  if (length > 0) {
    yield Buffer.concat(begun);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @returns the text of a line, empty where there is none */
function parseLine(line: Uint8Array, field: string, place: string): string {
  let json: string;
  try {
    json = utf8.decode(line).trim();
  } catch (cause) {
    throw new Error(`jsonl: ${place} is not UTF-8 text; convert the file to UTF-8 first.`, { cause });
  }
  if (json === '') {
    return '';
  }
  let record: unknown;
  try {
    record = parseJson(json);
  } catch (cause) {
    throw new Error(`jsonl: ${place} is not JSON: ${shortened(json, 60)}. Each line must be one whole JSON object.`, {
      cause,
    });
  }
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new Error(
      `jsonl: ${place} is ${shortened(json, 60)}, expected an object with the field ${JSON.stringify(field)}.`,
    );
  }
  if (!Object.hasOwn(record, field)) {
    throw new Error(
      `jsonl: ${place} has no field ${JSON.stringify(field)}; it has: ${namesText(Object.keys(record))}. ` +
        'Name the one that holds the text: the "field" of a source of type jsonl, the "column" of one of type hub.',
    );
  }
  return asText(Reflect.get(record, field), `jsonl: ${place}: the field ${JSON.stringify(field)}`);
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    const mended = withoutNonNumbers(json);
    if (mended === json) {
      throw error;
    }
    return JSON.parse(mended);
  }
}

/** Puts null for every number that JSON does not have, outside of strings. */
function withoutNonNumbers(json: string): string {
  let isString = false;
  const parts = json.split('"').map((part) => {
    const mended = isString ? part : part.replaceAll(/-?\b(NaN|Infinity)\b/g, 'null');
    // A quote after an odd number of backslashes is one of the string's own.
    isString = !isString || /(?<!\\)(\\\\)*\\$/.test(part);
    return mended;
  });
  return parts.join('"');
}

/**
 * Takes a value for the text of a document; null is no text.
 *
 * @param what names the value in the message
 * @throws Error when it is neither
 */
export function asText(value: unknown, what: string): string {
  if (value === null || value === undefined) {
    return '';
  }
  if (typeof value !== 'string') {
    throw new Error(`${what} holds ${excerptOf(value)}, expected text. Name a field or column of text.`);
  }
  return value;
}
