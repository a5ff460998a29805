/**
 * The safetensors file format: a little-endian u64 header length, a JSON header, then raw tensors without gaps. Files may come from anywhere,
 * so every field of the header is checked before it is used.
 */
import type { Shape } from '@lpr/tensor';

export type SafetensorsDtype = 'F32' | 'I32' | 'I64' | 'F16' | 'BF16';

export interface SafetensorsTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: Shape;
  /** Row-major. F16 and BF16 are widened to float32 when read. */
  readonly data: Float32Array | Int32Array | BigInt64Array;
}

/** What is wrong with a file, in one line. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}

/** A larger header is refused, as the format's reference implementation does. */
const MAX_HEADER_BYTES = 100_000_000;
const BYTES: Readonly<Record<SafetensorsDtype, number>> = { F32: 4, I32: 4, I64: 8, F16: 2, BF16: 2 };

/**
 * A file with these tensors, of type F32, I32 or I64 as their arrays are. 8-byte types come first and the header is padded, so that all data
 * are aligned. `metadata` is `{ format: 'pt' }` unless given, without which Hugging Face transformers refuses to load a checkpoint.
 *
 * @throws SafetensorsError when a shape does not fit its data.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, { readonly shape: Shape; readonly data: Float32Array | Int32Array | BigInt64Array }>,
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Uint8Array<ArrayBuffer> {
  const header = new Map<string, unknown>([['__metadata__', metadata]]);
  const entries = [...tensors].sort(([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  let offset = 0;
  for (const [name, { shape, data }] of entries) {
    if (name === '__metadata__')
      throw new SafetensorsError('safetensors: "__metadata__" cannot be the name of a tensor');
    const expected = elementsOf(name, shape);
    if (expected !== data.length) {
      throw new SafetensorsError(
        `safetensors: ${name} of shape [${shape.join(', ')}] holds ${expected} elements, got ${data.length}`,
      );
    }
    header.set(name, { dtype: dtypeOf(data), shape, data_offsets: [offset, offset + data.byteLength] });
    offset += data.byteLength;
  }
  // Object.fromEntries defines own properties, so that even the name "__proto__" is written.
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, 8, 8 + headerBytes).set(json, 8);
  let at = 8 + headerBytes;
  for (const [, { data }] of entries) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

/**
 * The tensors of a file, copied out of it.
 *
 * @throws SafetensorsError when the file is malformed or holds another element type.
 */
export function decodeSafetensors(bytes: Uint8Array): Map<string, SafetensorsTensor> {
  const { header, dataStart } = parseHeader(bytes);
  const dataBytes = bytes.length - dataStart;
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => ({ name, ...checkEntry(name, entry) }))
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
  return new Map(
    entries.map(({ name, dtype, shape, begin, end }) => [
      name,
      {
        dtype,
        shape,
        data: readData(dtype, new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end)).buffer),
      },
    ]),
  );
}

/**
 * The file's free-form metadata.
 *
 * @throws SafetensorsError when the header is malformed.
 */
export function safetensorsMetadata(bytes: Uint8Array): Record<string, string> {
  const metadata = parseHeader(bytes).header['__metadata__'] ?? {};
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw new SafetensorsError('safetensors: __metadata__ must be an object of strings');
  }
  return metadata as Record<string, string>;
}

function parseHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.length < 8) throw new SafetensorsError(`safetensors: a file has at least 8 bytes, got ${bytes.length}`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES || Number(length) > bytes.length - 8) {
    throw new SafetensorsError(
      `safetensors: the header is said to have ${length} bytes, of ${bytes.length - 8} that follow (at most ${MAX_HEADER_BYTES})`,
    );
  }
  const dataStart = 8 + Number(length);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, dataStart)));
  } catch (error) {
    throw new SafetensorsError(`safetensors: the header is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!isRecord(header)) throw new SafetensorsError('safetensors: the header must be a JSON object');
  return { header, dataStart };
}

function checkEntry(
  name: string,
  entry: unknown,
): { dtype: SafetensorsDtype; shape: number[]; begin: number; end: number } {
  if (!isRecord(entry)) throw new SafetensorsError(`safetensors: the entry of ${name} must be an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(BYTES, dtype)) {
    throw new SafetensorsError(
      `safetensors: ${name} has element type ${JSON.stringify(dtype)}; expected one of ${Object.keys(BYTES).join(', ')}`,
    );
  }
  if (!isWholeNumbers(shape)) throw new SafetensorsError(`safetensors: ${name} has no proper shape`);
  if (!isWholeNumbers(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw new SafetensorsError(`safetensors: ${name} must have data_offsets [begin, end] with begin <= end`);
  }
  const [begin = 0, end = 0] = offsets;
  const bytes = elementsOf(name, shape) * BYTES[dtype as SafetensorsDtype];
  if (end - begin !== bytes) {
    throw new SafetensorsError(
      `safetensors: ${name}, ${dtype} of shape [${shape.join(', ')}], needs ${bytes} bytes, its offsets span ${end - begin}`,
    );
  }
  return { dtype: dtype as SafetensorsDtype, shape, begin, end };
}

function elementsOf(name: string, shape: Shape): number {
  const elements = shape.reduce((size, extent) => size * extent, 1);
  if (!Number.isSafeInteger(elements) || elements < 0) {
    throw new SafetensorsError(`safetensors: ${name} has an impossible shape [${shape.join(', ')}]`);
  }
  return elements;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((x) => Number.isSafeInteger(x) && x >= 0);
}

function dtypeOf(data: Float32Array | Int32Array | BigInt64Array): SafetensorsDtype {
  if (data instanceof Float32Array) return 'F32';
  return data instanceof Int32Array ? 'I32' : 'I64';
}

function readData(dtype: SafetensorsDtype, buffer: ArrayBuffer): Float32Array | Int32Array | BigInt64Array {
  if (dtype === 'F32') return new Float32Array(buffer);
  if (dtype === 'I32') return new Int32Array(buffer);
  if (dtype === 'I64') return new BigInt64Array(buffer);
  const halves = new Uint16Array(buffer);
  if (dtype === 'F16') return Float32Array.from(halves, widenHalf);
  // BF16 is the upper half of a float32.
  return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer);
}

/** The value of an IEEE binary16 number. */
function widenHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}
