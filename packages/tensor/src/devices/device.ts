/**
 * The seam between tensors and hardware.
 *
 * A device owns memory and runs kernels on it, in the order in which they were called. Calling a kernel only records
 * it; the one thing that waits is `read`. Because everything is in order, memory may be freed as soon as its last
 * kernel has been *recorded*: whoever gets the block next comes later in the queue.
 */
import type { Kernels } from './kernels/index.ts';

/** A block of device memory of `elements` four-byte numbers (f32 or i32). Its content is undefined until written. */
export interface DeviceBuffer {
  readonly elements: number;
}

export interface DeviceMemory {
  /** Bytes in live buffers. */
  readonly liveBytes: number;
  /** Number of live buffers. */
  readonly liveBuffers: number;
  /** The most bytes that were ever live at once. */
  readonly peakBytes: number;
}

export interface Device {
  /** What kind of device this is. */
  readonly kind: 'wasm' | 'gpu';
  /** What really runs, for reports: "wasm, 2 threads, relaxed SIMD". */
  readonly description: string;
  /** Worker threads that run kernels; 0 when they run in place on the calling thread. */
  readonly threads: number;
  readonly kernels: Kernels;
  /**
   * The part of a model that is being recorded ("attention", "experts", ...), for the profiler; gradients keep their
   * op's label.
   */
  label: string;
  readonly memory: DeviceMemory;

  /** Throws a RangeError that names the sizes when memory is exhausted. */
  allocate(elements: number): DeviceBuffer;
  /** Gives the memory back; nothing may use the buffer afterwards. */
  free(buffer: DeviceBuffer): void;
  /** Copies `data` into the buffer; ordered with the kernels. `data` may be changed as soon as this returns. */
  write(buffer: DeviceBuffer, data: Float32Array | Int32Array): void;
  /** The buffer's content as of this call (later kernels do not change what the promise gives). */
  read(buffer: DeviceBuffer): Promise<ArrayBuffer>;
  /**
   * The memory of a buffer itself, where the caller can reach it; null elsewhere. It holds what kernels wrote once they
   * have run (`synchronize`); whoever writes into it does so while no kernel that uses it is recorded.
   */
  view(buffer: DeviceBuffer): Float32Array | null;
  /**
   * `out[i] = ((terms[0][i] + terms[1][i]) + terms[2][i]) + ...`, each sum rounded to f32, at once and on the calling
   * thread, while kernels run: for numbers from outside of the device. `out`, which may be the first term, lies in what
   * `view` gave; there is none where that gives null.
   */
  addOnHost?(out: Float32Array, terms: readonly Float32Array[]): void;
  /** Resolves when everything recorded so far has run; rejects with the error of a kernel that failed. */
  synchronize(): Promise<void>;
  /** Stops the workers and releases the memory. Nothing may be called afterwards. */
  dispose(): Promise<void>;
}
