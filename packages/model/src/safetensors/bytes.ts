/** Whole safetensors files in memory: a length, a JSON header, then raw tensors without gaps. */
import type { Shape } from '@lpr/tensor';
import { readData } from './data.ts';
import {
  elementsOf,
  encodeHeader,
  headerLength,
  LENGTH_BYTES,
  parseHeader,
  type SafetensorsDtype,
  SafetensorsError,
  type SafetensorsHeader,
} from './header.ts';

export interface SafetensorsTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: Shape;
  /** Row-major. F16 and BF16 are widened to float32 when read, F64 narrowed. */
  readonly data: Float32Array | Int32Array | BigInt64Array;
}

/**
 * A file with these tensors, of type F32, I32 or I64 as their arrays are. 8-byte types come first and the header is
 * padded, so that all data are aligned. `metadata` is `{ format: 'pt' }` unless given, without which Hugging Face
 * transformers refuses to load a checkpoint.
 *
 * @throws SafetensorsError when a shape does not fit its data.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, { readonly shape: Shape; readonly data: Float32Array | Int32Array | BigInt64Array }>,
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Uint8Array<ArrayBuffer> {
  const entries = [...tensors]
    .map(([name, { shape, data }]) => ({ name, shape, data, dtype: dtypeOf(data) }))
    .sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  for (const { name, shape, data } of entries) {
    const expected = elementsOf(name, shape);
    if (expected !== data.length) {
      throw new SafetensorsError(
        `safetensors: ${name} of shape [${shape.join(', ')}] holds ${expected} elements, got ${data.length}`,
      );
    }
  }
  const header = encodeHeader(entries, metadata);
  const file = new Uint8Array(entries.reduce((size, { data }) => size + data.byteLength, header.length));
  file.set(header);
  let at = header.length;
  for (const { data } of entries) {
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
  const { header, data } = split(bytes);
  return new Map(
    header.entries.map(({ name, dtype, shape, begin, end }) => [
      name,
      { dtype, shape, data: readData(dtype, new Uint8Array(data.subarray(begin, end)).buffer) },
    ]),
  );
}

/**
 * The file's free-form metadata.
 *
 * @throws SafetensorsError when the file is malformed.
 */
export function safetensorsMetadata(bytes: Uint8Array): Readonly<Record<string, string>> {
  return split(bytes).header.metadata;
}

function split(bytes: Uint8Array): { header: SafetensorsHeader; data: Uint8Array } {
  const dataStart = LENGTH_BYTES + headerLength(bytes, bytes.length);
  const data = bytes.subarray(dataStart);
  return { header: parseHeader(bytes.subarray(LENGTH_BYTES, dataStart), data.length), data };
}

function dtypeOf(data: Float32Array | Int32Array | BigInt64Array): SafetensorsDtype {
  if (data instanceof Float32Array) return 'F32';
  return data instanceof Int32Array ? 'I32' : 'I64';
}
