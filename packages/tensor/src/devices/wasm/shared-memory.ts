/** The shared memory of a device, with views that follow its growth. */
import { createMemory, PAGE_BYTES, type WasmMemory } from './host.ts';

/** All that 32-bit addresses reach. */
export const ADDRESSABLE_BYTES: number = 65536 * PAGE_BYTES;

const LEAST_GROWTH_BYTES = 16 * 1024 * 1024;

export class SharedMemory {
  readonly memory: WasmMemory;
  readonly limitBytes: number;
  bytes!: Uint8Array;
  words!: Int32Array;
  /** All that the memory has been seen through: growth makes another one. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();

  constructor(limitBytes: number) {
    this.limitBytes = Math.floor(limitBytes / PAGE_BYTES) * PAGE_BYTES;
    const maximumPages = this.limitBytes / PAGE_BYTES;
    this.memory = createMemory(Math.min(LEAST_GROWTH_BYTES / PAGE_BYTES, maximumPages), maximumPages);
    this.#view();
  }

  /** Grows to at least `end` bytes, with some in reserve, unless the limit forbids it. Returns the size then. */
  extend(end: number): number {
    const size = this.bytes.length;
    if (end <= size || end > this.limitBytes) return size;
    const generous = Math.min(this.limitBytes, Math.max(end, size + Math.max(LEAST_GROWTH_BYTES, size / 4)));
    if (!this.#grow(generous)) this.#grow(end);
    return this.bytes.length;
  }

  /** Whether an array is a view of this memory: its offset then is an address. */
  holds({ buffer }: Float32Array): boolean {
    return this.#buffers.has(buffer);
  }

  #grow(end: number): boolean {
    try {
      this.memory.grow(Math.ceil((end - this.bytes.length) / PAGE_BYTES));
    } catch {
      // The operating system has no more to give; the caller sees the unchanged size.
      return false;
    }
    this.#view();
    return true;
  }

  #view(): void {
    this.#buffers.add(this.memory.buffer);
    this.bytes = new Uint8Array(this.memory.buffer);
    this.words = new Int32Array(this.memory.buffer);
  }
}
