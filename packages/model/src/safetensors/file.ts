/**
 * safetensors files on a disk, read and written one tensor at a time, so that a checkpoint never lies in memory as a
 * whole. Node only.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { named, openRegular } from '@lpr/guard';
import { type Shape, sizeOf } from '@lpr/tensor';
import { readData, type SafetensorsData } from './data.ts';
import {
  encodeHeader,
  headerLength,
  LENGTH_BYTES,
  parseHeader,
  type SafetensorsEntry,
  SafetensorsError,
  type SafetensorsHeader,
} from './header.ts';

/** An open file of tensors, of which only the header is in memory. */
export class SafetensorsFile {
  readonly header: SafetensorsHeader;
  readonly #file: FileHandle;
  readonly #dataStart: number;

  private constructor(file: FileHandle, header: SafetensorsHeader, dataStart: number) {
    this.#file = file;
    this.header = header;
    this.#dataStart = dataStart;
  }

  /**
   * Opens a file and checks its header; close it in the end.
   *
   * @throws SafetensorsError that names the file when it is malformed.
   */
  static async open(path: string): Promise<SafetensorsFile> {
    const file = await named(path, openRegular(path), SafetensorsError);
    try {
      const { size } = await file.stat();
      const length = headerLength(await readBytes(file, 0, Math.min(LENGTH_BYTES, size)), size);
      const dataStart = LENGTH_BYTES + length;
      const header = parseHeader(await readBytes(file, LENGTH_BYTES, length), size - dataStart);
      return new SafetensorsFile(file, header, dataStart);
    } catch (error) {
      await file.close();
      if (error instanceof SafetensorsError) throw new SafetensorsError(`${path}: ${error.message}`, { cause: error });
      throw error;
    }
  }

  /** The elements of one of the header's entries. */
  async read({ dtype, begin, end }: SafetensorsEntry): Promise<SafetensorsData> {
    const bytes = await readBytes(this.#file, this.#dataStart + begin, end - begin);
    return readData(dtype, bytes.buffer);
  }

  /** Gives the file back to the system. */
  close(): Promise<void> {
    return this.#file.close();
  }
}

/**
 * The bytes of a file of float32 tensors, piece by piece: `data` yields them in the order of `tensors`. `metadata` as
 * for `encodeSafetensors`.
 *
 * @throws SafetensorsError when the shapes promise other sizes than `data` yields; what was written is not whole then.
 */
export async function* safetensorsPieces(
  tensors: readonly { readonly name: string; readonly shape: Shape }[],
  data: AsyncIterable<Float32Array> | Iterable<Float32Array>,
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): AsyncGenerator<Uint8Array> {
  yield encodeHeader(
    tensors.map((tensor) => ({ ...tensor, dtype: 'F32' as const })),
    metadata,
  );
  let at = 0;
  for await (const { buffer, byteOffset, byteLength, length } of data) {
    const expected = tensors[at]?.shape;
    if (expected === undefined || sizeOf(expected) !== length) {
      const wanted = expected === undefined ? 'no more' : `${sizeOf(expected)} of ${tensors[at]!.name}`;
      throw new SafetensorsError(`safetensors: tensor ${at} holds ${length} elements, expected ${wanted}`);
    }
    at++;
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
  if (at < tensors.length)
    throw new SafetensorsError(`safetensors: got the data of ${at} of ${tensors.length} tensors`);
}

/** Writes a new file of `safetensorsPieces`; where that throws, the file is not whole. */
export async function writeSafetensors(path: string, ...content: Parameters<typeof safetensorsPieces>): Promise<void> {
  const file = await open(path, 'wx');
  try {
    for await (const piece of safetensorsPieces(...content)) await file.writeFile(piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A read gives at most 2 GiB at once. */
const CHUNK_BYTES = 2 ** 30;

async function readBytes(file: FileHandle, position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(bytes, at, Math.min(length - at, CHUNK_BYTES), position + at);
    if (bytesRead === 0) {
      throw new SafetensorsError(
        `safetensors: the file ended ${length - at} bytes early; it changed while it was read`,
      );
    }
    at += bytesRead;
  }
  return bytes;
}
