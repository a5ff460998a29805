/**
 * Memory through which the recording thread hands data to a busy queue: a ring of bytes that no kernel ever writes. A
 * piece may be overwritten when the command that copies it away has completed.
 */
import type { SharedMemory } from './shared-memory.ts';

export const STAGING_BYTES: number = 4 * 1024 * 1024;

const ALIGNMENT = 64;

export class Staging {
  /** Bytes that `put` takes at once. */
  readonly largestPiece: number = STAGING_BYTES / 8;

  readonly #shared: SharedMemory;
  readonly #address: number;
  /** Bytes ever handed out and given back; positions in the ring are these modulo STAGING_BYTES. */
  #head = 0;
  #tail = 0;
  /** Oldest first: the number of the command that reads a piece, and where the piece ends. */
  #pieces: { command: number; end: number }[] = [];

  constructor(shared: SharedMemory, address: number) {
    this.#shared = shared;
    this.#address = address;
  }

  /**
   * Copies `data` in for command number `command`, given that `completed` commands have run. Returns the address, or
   * null when there is no room yet.
   */
  put(data: Uint8Array, command: number, completed: number): number | null {
    const pending = this.#pieces.findIndex((piece) => ((completed - piece.command) | 0) <= 0);
    const done = this.#pieces.splice(0, pending < 0 ? this.#pieces.length : pending);
    this.#tail = done.at(-1)?.end ?? this.#tail;
    if (this.#pieces.length === 0) this.#head = this.#tail = 0;

    const untilWrap = STAGING_BYTES - (this.#head % STAGING_BYTES);
    const start = untilWrap < data.length ? this.#head + untilWrap : this.#head;
    const end = start + Math.ceil(data.length / ALIGNMENT) * ALIGNMENT;
    if (end - this.#tail > STAGING_BYTES) return null;
    this.#head = end;
    this.#pieces.push({ command, end });
    const address = this.#address + (start % STAGING_BYTES);
    this.#shared.bytes.set(data, address);
    return address;
  }
}
