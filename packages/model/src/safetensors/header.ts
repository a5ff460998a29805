/**
 * The header of a safetensors file: a little-endian u64 length, then JSON that names each tensor's type, shape and
 * place in the data after it. Files may come from anywhere, so every field is checked before it is used, and no memory
 * is taken for what a file only claims to hold.
 */
import type { Shape } from '@lpr/tensor';

export type SafetensorsDtype = 'F64' | 'F32' | 'I32' | 'I64' | 'F16' | 'BF16';

/** Where a tensor lies, in bytes after the header. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** Sorted by their place. */
  readonly entries: readonly SafetensorsEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** What is wrong with a file, in one line. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}

/** Bytes of the header's own length. */
export const LENGTH_BYTES = 8;
/** A larger header is refused, as the format's reference implementation does. */
const MAX_HEADER_BYTES = 100_000_000;
const BYTES: Readonly<Record<SafetensorsDtype, number>> = { F64: 8, F32: 4, I32: 4, I64: 8, F16: 2, BF16: 2 };

/**
 * Bytes of the header, from the first bytes of a file of `fileBytes`.
 *
 * @throws SafetensorsError when the file is too short for itself or its header.
 */
export function headerLength(start: Uint8Array, fileBytes: number): number {
  if (fileBytes < LENGTH_BYTES) {
    throw new SafetensorsError(`safetensors: a file has at least ${LENGTH_BYTES} bytes, got ${fileBytes}`);
  }
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES || Number(length) > fileBytes - LENGTH_BYTES) {
    throw new SafetensorsError(
      `safetensors: the header is said to have ${length} bytes, of ${fileBytes - LENGTH_BYTES} that follow (at most ${MAX_HEADER_BYTES})`,
    );
  }
  return Number(length);
}

/**
 * The header's content; `dataBytes` is what follows it in the file.
 *
 * @throws SafetensorsError when it is malformed, or the tensors do not fill the data without gaps.
 */
export function parseHeader(json: Uint8Array, dataBytes: number): SafetensorsHeader {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (error) {
    throw new SafetensorsError(`safetensors: the header is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!isRecord(header)) throw new SafetensorsError('safetensors: the header must be a JSON object');
  const metadata = header['__metadata__'] ?? {};
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw new SafetensorsError('safetensors: __metadata__ must be an object of strings');
  }
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => checkEntry(name, entry))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let expected = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== expected) {
      throw new SafetensorsError(
        `safetensors: data of ${name} begin at ${begin}, expected ${expected}: tensors may neither overlap nor leave gaps`,
      );
    }
    expected = end;
  }
  if (expected !== dataBytes) {
    throw new SafetensorsError(
      `safetensors: tensors fill ${expected} bytes, the file holds ${dataBytes}; it may be cut`,
    );
  }
  return { entries, metadata: metadata as Record<string, string> };
}

/**
 * The first bytes of a file with these tensors one after the other, up to their data, which begin at a multiple of 8.
 */
export function encodeHeader(
  tensors: Iterable<{ readonly name: string; readonly dtype: SafetensorsDtype; readonly shape: Shape }>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const header = new Map<string, unknown>([['__metadata__', metadata]]);
  let begin = 0;
  for (const { name, dtype, shape } of tensors) {
    if (name === '__metadata__') {
      throw new SafetensorsError('safetensors: "__metadata__" cannot be the name of a tensor');
    }
    const end = begin + bytesOf(name, dtype, shape);
    header.set(name, { dtype, shape, data_offsets: [begin, end] });
    begin = end;
  }
  // Object.fromEntries defines own properties, so that even the name "__proto__" is written.
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(LENGTH_BYTES + headerBytes).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

/** Throws a SafetensorsError when the product of the extents is no whole number that can be counted exactly. */
export function elementsOf(name: string, shape: Shape): number {
  const elements = shape.reduce((size, extent) => size * extent, 1);
  if (!Number.isSafeInteger(elements) || elements < 0) {
    throw new SafetensorsError(`safetensors: ${name} has an impossible shape [${shape.join(', ')}]`);
  }
  return elements;
}

function bytesOf(name: string, dtype: SafetensorsDtype, shape: Shape): number {
  return elementsOf(name, shape) * BYTES[dtype];
}

function checkEntry(name: string, entry: unknown): SafetensorsEntry {
  if (!isRecord(entry)) throw new SafetensorsError(`safetensors: the entry of ${name} must be an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDtype(dtype)) {
    throw new SafetensorsError(
      `safetensors: ${name} has element type ${JSON.stringify(dtype)}; expected one of ${Object.keys(BYTES).join(', ')}`,
    );
  }
  if (!isWholeNumbers(shape)) throw new SafetensorsError(`safetensors: ${name} has no proper shape`);
  if (!isWholeNumbers(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw new SafetensorsError(`safetensors: ${name} must have data_offsets [begin, end] with begin <= end`);
  }
  const [begin = 0, end = 0] = offsets;
  const bytes = bytesOf(name, dtype, shape);
  if (end - begin !== bytes) {
    throw new SafetensorsError(
      `safetensors: ${name}, ${dtype} of shape [${shape.join(', ')}], needs ${bytes} bytes, its offsets span ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function isDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === 'string' && Object.hasOwn(BYTES, value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((x) => Number.isSafeInteger(x) && x >= 0);
}
