/** What the kernel families need from the device to record their commands. */
import type { DeviceBuffer } from '../device.ts';
import type { CommandName, Commands, RecordName, Records } from './commands/index.ts';
import type { Words } from './commands/words.ts';

/** Bytes of scratch memory that every thread has for itself. */
export const SCRATCH_BYTES: number = 8 * 1024 * 1024;

export interface Recorder {
  /** Number of threads that will share the tiles of a command: for choosing tile sizes, never for results. */
  readonly threads: number;
  /**
   * Appends a command, cut into `tiles` independent tiles, with its words as the command's family declares them
   * (commands/). Commands run in order, each after the one before has finished. Nothing is recorded for 0 tiles.
   */
  record<Name extends CommandName>(name: Name, tiles: number, words: Words<Commands[Name]>): void;
  /** Byte address of a buffer in the shared memory. Buffers are aligned to 64 bytes. */
  address(buffer: DeviceBuffer): number;
  /**
   * Memory for intermediate results of several commands: free it with `release` right after the last command that uses
   * it is recorded. Returns its byte address (aligned to 64).
   */
  temporary(bytes: number): number;
  release(address: number): void;
  /** Puts rows where commands recorded until the matching `release` can read them; returns the byte address. */
  table<Name extends RecordName>(name: Name, rows: readonly Words<Records[Name]>[]): number;
}
