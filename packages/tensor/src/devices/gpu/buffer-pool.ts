/**
 * Buffers to use again. Launches run long after they were recorded, and the memory of a destroyed buffer comes back
 * only when the GPU has passed it: buffers made anew for each launch would add up over a whole training step. WebGPU
 * also clears a new buffer before its first use. What is kept together with what is in use never exceeds the most that
 * was ever in use by more than a given number of bytes.
 */
/** What a pool holds. */
export interface Pooled {
  /** Orders the buffers of one size. */
  readonly number: number;
  destroy(): void;
}

export class BufferPool<Buffer extends Pooled> {
  readonly #create: (bytes: number) => Buffer;
  readonly #spareBytes: number;
  /**
   * Unused buffers by size, those of a size by descending number; sizes in the order of their last release. The lowest
   * number is handed out first, whatever the order of releases was: so work that repeats gets the same buffers again,
   * and what binds them is made once.
   */
  readonly #unused = new Map<number, Buffer[]>();
  #unusedBytes = 0;
  #usedBytes = 0;
  #peakBytes = 0;

  /** @param spareBytes what may be kept beyond the most that was ever in use */
  constructor(create: (bytes: number) => Buffer, spareBytes = 0) {
    this.#create = create;
    this.#spareBytes = spareBytes;
  }

  /** A buffer of this size; what it holds is undefined. */
  take(bytes: number): Buffer {
    this.#usedBytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
    const buffer = this.#unused.get(bytes)?.pop();
    if (buffer !== undefined) this.#unusedBytes -= bytes;
    this.#shrink();
    if (buffer !== undefined) return buffer;
    return this.#create(bytes);
  }

  give(buffer: Buffer, bytes: number): void {
    this.#usedBytes -= bytes;
    this.#unusedBytes += bytes;
    const sameSize = this.#unused.get(bytes) ?? [];
    let at = sameSize.length;
    while (at > 0 && sameSize[at - 1]!.number < buffer.number) at--;
    sameSize.splice(at, 0, buffer);
    this.#unused.delete(bytes);
    this.#unused.set(bytes, sameSize);
  }

  /** Destroys unused buffers, those of the size released longest ago first, until all fit. */
  #shrink(): void {
    for (const [bytes, buffers] of this.#unused) {
      while (buffers.length > 0 && this.#unusedBytes + this.#usedBytes > this.#peakBytes + this.#spareBytes) {
        buffers.shift()!.destroy();
        this.#unusedBytes -= bytes;
      }
      if (buffers.length > 0) return;
      this.#unused.delete(bytes);
    }
  }
}

/** The size of a buffer for so many bytes: few sizes, so that buffers fit again, and an eighth more at most. */
export function roundedSize(bytes: number): number {
  const step = Math.max(256, 2 ** Math.floor(Math.log2(bytes) - 3));
  return Math.ceil(bytes / step) * step;
}
