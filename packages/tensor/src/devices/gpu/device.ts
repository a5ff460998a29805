/** The gpu device: buffers that hold values, and the kernels put together. */
import type { Device, DeviceBuffer, DeviceMemory } from '../device.ts';
import type { Kernels } from '../kernels/index.ts';
import type { GpuMode } from './backend.ts';
import { gpuKernels } from './kernels/index.ts';
import type { Launcher } from './launcher.ts';
import type { Value } from './value.ts';

/** A device of kernels that gpu.js translates, or that are written in WGSL. */
export interface GpuDevice extends Device {
  readonly kind: 'gpu';
  /** The mode of gpu.js that runs. */
  readonly mode: GpuMode;
  /** Whether a CPU plays the GPU. */
  readonly software: boolean;
  /** Launches of kernels so far, and how many different ones were compiled. */
  readonly statistics: { readonly launches: number; readonly programs: number };
  /** Bytes that a tensor can have at most: the adapter's limit of one buffer and of binding it. */
  readonly largestTensor: number;
  /**
   * Bytes that exist on the device: copies share memory, so less than `memory` counts, but for what kernels hold while
   * they work.
   */
  readonly resident: { readonly bytes: number; readonly peakBytes: number };
}

/** i32 tensors are kept as f32 numbers, which hold whole numbers exactly up to here. */
const LARGEST_INTEGER = 2 ** 24;

/** A slot: the buffer stays the same while kernels replace the value that it holds. */
export class GpuBuffer implements DeviceBuffer {
  readonly elements: number;
  /** Null before the first write. */
  value: Value | null = null;
  /** Whether the numbers are read as i32. */
  integer = false;
  freed = false;

  constructor(elements: number) {
    this.elements = elements;
  }
}

export class LauncherDevice implements GpuDevice {
  readonly kind = 'gpu';
  readonly threads = 0;
  readonly kernels: Kernels;
  label = 'other';
  readonly #launcher: Launcher;
  readonly #memory = { liveBytes: 0, liveBuffers: 0, peakBytes: 0 };

  constructor(launcher: Launcher) {
    this.#launcher = launcher;
    this.kernels = gpuKernels(launcher, (buffer) => slotOf('kernel', buffer));
  }

  get mode(): GpuMode {
    return this.#launcher.backend.mode;
  }

  get description(): string {
    return `gpu, ${this.#launcher.backend.description}`;
  }

  get software(): boolean {
    return this.#launcher.backend.software;
  }

  get memory(): DeviceMemory {
    return this.#memory;
  }

  get statistics(): { launches: number; programs: number } {
    const { launches, programs } = this.#launcher.statistics;
    return { launches, programs };
  }

  get largestTensor(): number {
    return 4 * this.#launcher.backend.largestBlock;
  }

  get resident(): { bytes: number; peakBytes: number } {
    const { bytes, peakBytes } = this.#launcher.statistics;
    return { bytes, peakBytes };
  }

  allocate(elements: number): DeviceBuffer {
    if (!Number.isSafeInteger(elements) || elements < 0) {
      throw new RangeError(`allocate: expected a number of elements (an integer, at least 0), got ${elements}`);
    }
    const { largestBlock } = this.#launcher.backend;
    if (elements > largestBlock) {
      throw new RangeError(
        `gpu device: a tensor of ${elements} elements (${4 * elements} bytes) is larger than the ${4 * largestBlock} bytes that ` +
          `this GPU allows in one buffer; ${this.#memory.liveBytes} bytes are live in ${this.#memory.liveBuffers} buffers. ` +
          'Take a smaller batch, sequence or vocabulary, or the wasm device.',
      );
    }
    this.#memory.liveBuffers++;
    this.#memory.liveBytes += 4 * elements;
    this.#memory.peakBytes = Math.max(this.#memory.peakBytes, this.#memory.liveBytes);
    return new GpuBuffer(elements);
  }

  free(buffer: DeviceBuffer): void {
    const slot = slotOf('free', buffer);
    slot.freed = true;
    if (slot.value !== null) this.#launcher.release(slot.value);
    slot.value = null;
    this.#memory.liveBuffers--;
    this.#memory.liveBytes -= 4 * slot.elements;
  }

  write(buffer: DeviceBuffer, data: Float32Array | Int32Array): void {
    const slot = slotOf('write', buffer);
    if (data.length !== slot.elements) {
      throw new RangeError(`write: the buffer has ${slot.elements} elements, the data has ${data.length}`);
    }
    slot.integer = data instanceof Int32Array;
    if (data.length === 0) return;
    this.#launcher.frame(() => {
      const value = this.#launcher.upload(data instanceof Int32Array ? asNumbers(data) : data);
      value.users++;
      if (slot.value !== null) this.#launcher.release(slot.value);
      slot.value = value;
    });
  }

  async read(buffer: DeviceBuffer): Promise<ArrayBuffer> {
    const { value, integer, elements } = slotOf('read', buffer);
    if (value === null) return new ArrayBuffer(4 * elements);
    const numbers = await this.#launcher.read(value);
    return integer ? Int32Array.from(numbers).buffer : numbers.buffer;
  }

  view(): null {
    return null;
  }

  async synchronize(): Promise<void> {
    await this.#launcher.finish();
  }

  dispose(): Promise<void> {
    this.#launcher.close(new Error('the gpu device has been disposed of: create another one with createGpuDevice'));
    this.#launcher.backend.dispose();
    return Promise.resolve();
  }
}

function slotOf(caller: string, buffer: DeviceBuffer): GpuBuffer {
  if (!(buffer instanceof GpuBuffer)) throw new TypeError(`${caller}: the buffer is not one of a gpu device`);
  if (buffer.freed) throw new Error(`${caller}: the buffer of ${buffer.elements} elements has been freed`);
  return buffer;
}

function asNumbers(data: Int32Array): Float32Array {
  for (const [i, value] of data.entries()) {
    if (Math.abs(value) > LARGEST_INTEGER) {
      throw new RangeError(
        `gpu device: i32 tensors hold whole numbers from -2^24 to 2^24, got ${value} at element ${i}: ` +
          'the GPU keeps them as f32. Use the wasm device for larger ones.',
      );
    }
  }
  return Float32Array.from(data);
}
