/** What the kernel families need from the device to record their commands. */
import type { DeviceBuffer } from '../device.ts';

/** Words of arguments that fit one command. */
export const ARGUMENT_WORDS = 60;

/** Bytes of scratch memory that every thread has for itself. */
export const SCRATCH_BYTES: number = 8 * 1024 * 1024;

export interface Recorder {
  /** Number of threads that will share the tiles of a command: for choosing tile sizes, never for results. */
  readonly threads: number;
  /**
   * Appends a command: kernel number `family * 256 + kernel` (see opcodes.ts), cut into `tiles` independent tiles, with
   * at most ARGUMENT_WORDS argument words (integers; addresses by `address`, floats by `floatBits`). Commands run in
   * order, each after the one before has finished. Nothing is recorded for 0 tiles.
   */
  record(opcode: number, tiles: number, words: readonly number[]): void;
  /** Byte address of a buffer in the shared memory; 0 for null. Buffers are aligned to 64 bytes. */
  address(buffer: DeviceBuffer | null): number;
  /**
   * Memory for intermediate results of several commands: free it with `release` right after the last command that uses
   * it is recorded. Returns its byte address (aligned to 64).
   */
  temporary(bytes: number): number;
  release(address: number): void;
  /** Puts words where commands recorded until the matching `release` can read them; returns the byte address. */
  table(words: readonly number[]): number;
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** The 32 bits of a number rounded to f32, as an argument word. */
export function floatBits(value: number): number {
  float[0] = value;
  return bits[0]!;
}
