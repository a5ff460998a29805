/**
 * Buffers to use again. Launches run long after they were recorded, and the memory of a destroyed buffer comes back
 * only when the GPU has passed it: buffers made anew for each launch would add up over a whole training step. WebGPU
 * also clears a new buffer before its first use. What is kept together with what is in use never exceeds the most that
 * was ever in use.
 */
import type { WebGpuBuffer } from './webgpu.ts';

export class BufferPool {
  readonly #create: (bytes: number) => WebGpuBuffer;
  /**
   * Unused buffers by size, of each size the last one released at the end; sizes in the order of their last release.
   */
  readonly #unused = new Map<number, WebGpuBuffer[]>();
  readonly #alive = new Set<WebGpuBuffer>();
  #unusedBytes = 0;
  #usedBytes = 0;
  #peakBytes = 0;

  constructor(create: (bytes: number) => WebGpuBuffer) {
    this.#create = create;
  }

  /** A buffer of this size; what it holds is undefined. */
  take(bytes: number): WebGpuBuffer {
    this.#usedBytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
    const buffer = this.#unused.get(bytes)?.pop();
    if (buffer !== undefined) this.#unusedBytes -= bytes;
    this.#shrink();
    if (buffer !== undefined) return buffer;
    const fresh = this.#create(bytes);
    this.#alive.add(fresh);
    return fresh;
  }

  give(buffer: WebGpuBuffer, bytes: number): void {
    this.#usedBytes -= bytes;
    this.#unusedBytes += bytes;
    const sameSize = this.#unused.get(bytes) ?? [];
    sameSize.push(buffer);
    this.#unused.delete(bytes);
    this.#unused.set(bytes, sameSize);
  }

  /** Destroys all buffers, those in use too. Nothing may be taken or given afterwards. */
  destroy(): void {
    for (const buffer of this.#alive) buffer.destroy();
    this.#alive.clear();
  }

  /** Destroys unused buffers, those of the size released longest ago first, until all fit. */
  #shrink(): void {
    for (const [bytes, buffers] of this.#unused) {
      while (buffers.length > 0 && this.#unusedBytes + this.#usedBytes > this.#peakBytes) {
        const buffer = buffers.pop()!;
        buffer.destroy();
        this.#alive.delete(buffer);
        this.#unusedBytes -= bytes;
      }
      if (buffers.length > 0) return;
      this.#unused.delete(bytes);
    }
  }
}
