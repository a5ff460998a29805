/** The wasm device: buffers in the shared memory, the queue, the workers and the kernels put together. */
import type { Device, DeviceBuffer, DeviceMemory } from '../device.ts';
import { Allocator, type Block, ALIGNMENT } from './allocator.ts';
import type { WorkerHandle } from './host.ts';
import type { HostSum } from './host-sum.ts';
import type { Kernels } from '../kernels/index.ts';
import { encodeRecords, encodeWords, opcodeOf } from './commands/encoding.ts';
import { wasmKernels } from './kernels/index.ts';
import type { Profile } from './profile.ts';
import type { CommandQueue } from './queue.ts';
import type { Recorder } from './recorder.ts';
import type { SharedMemory } from './shared-memory.ts';

/** A device whose kernels run on the CPU, in WebAssembly. */
export interface WasmDevice extends Device {
  readonly kind: 'wasm';
  /** For recording commands that are not in the kernel list. */
  readonly recorder: Recorder;
  /** Part of the program that the commands recorded from now on belong to; see `profile`. */
  label: string;
  /** Times of the queue by label and by kernel. */
  readonly profile: Profile;
  view(buffer: DeviceBuffer): Float32Array;
  addOnHost(out: Float32Array, terms: readonly Float32Array[]): void;
}

class WasmBuffer implements DeviceBuffer {
  readonly owner: WasmDevice;
  readonly elements: number;
  /** Null once freed. */
  block: Block | null;

  constructor(owner: WasmDevice, elements: number, block: Block) {
    this.owner = owner;
    this.elements = elements;
    this.block = block;
  }
}

export interface DeviceParts {
  readonly description: string;
  readonly shared: SharedMemory;
  /** First byte behind what the device needs for itself. */
  readonly heapStart: number;
  readonly queue: CommandQueue;
  readonly hostSum: HostSum;
  readonly profile: Profile;
  readonly workers: readonly WorkerHandle[];
}

export class SharedMemoryDevice implements WasmDevice {
  readonly kind = 'wasm';
  readonly description: string;
  readonly threads: number;
  readonly recorder: Recorder;
  readonly kernels: Kernels;
  readonly profile: Profile;

  readonly #shared: SharedMemory;
  readonly #queue: CommandQueue;
  readonly #hostSum: HostSum;
  readonly #workers: readonly WorkerHandle[];
  readonly #allocator: Allocator;
  readonly #memory = { liveBytes: 0, liveBuffers: 0, peakBytes: 0 };
  /** Blocks of the recorder's `temporary`, by address. */
  readonly #temporaries = new Map<number, Block>();
  #label = '';

  constructor({ description, shared, heapStart, queue, hostSum, profile, workers }: DeviceParts) {
    this.description = description;
    this.threads = workers.length;
    this.profile = profile;
    this.#shared = shared;
    this.#queue = queue;
    this.#hostSum = hostSum;
    this.#workers = workers;
    this.#allocator = new Allocator(heapStart, (end) => shared.extend(end));
    this.recorder = this.#createRecorder();
    this.kernels = wasmKernels(this.recorder);
    this.label = 'other';
  }

  get memory(): DeviceMemory {
    return this.#memory;
  }

  get label(): string {
    return this.#label;
  }
  set label(label: string) {
    if (label === this.#label) return;
    this.#queue.label = this.profile.idOf(label);
    this.#label = label;
  }

  allocate(elements: number): DeviceBuffer {
    if (!Number.isSafeInteger(elements) || elements < 0) {
      throw new RangeError(`allocate: expected a number of elements (an integer, at least 0), got ${elements}`);
    }
    const buffer = new WasmBuffer(this, elements, this.#allocateBlock(4 * elements));
    this.#memory.liveBuffers++;
    this.#memory.liveBytes += 4 * elements;
    this.#memory.peakBytes = Math.max(this.#memory.peakBytes, this.#memory.liveBytes);
    return buffer;
  }

  free(buffer: DeviceBuffer): void {
    const wasmBuffer = buffer as WasmBuffer;
    this.#allocator.free(this.#blockOf('free', buffer));
    wasmBuffer.block = null;
    this.#memory.liveBuffers--;
    this.#memory.liveBytes -= 4 * buffer.elements;
  }

  write(buffer: DeviceBuffer, data: Float32Array | Int32Array): void {
    const address = this.#addressOf('write', buffer);
    if (data.length !== buffer.elements) {
      throw new RangeError(`write: the buffer has ${buffer.elements} elements, the data has ${data.length}`);
    }
    this.#queue.write(address, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  async read(buffer: DeviceBuffer): Promise<ArrayBuffer> {
    const address = this.#addressOf('read', buffer);
    const bytes = 4 * buffer.elements;
    if (this.#queue.failure) throw this.#queue.failure;
    if (this.#queue.isIdle) return this.#copyOut(address, bytes);
    // Later commands may change the buffer before this thread is told: keep a copy as of now.
    const snapshot = this.#allocateBlock(bytes);
    try {
      this.#queue.copy(snapshot.address * ALIGNMENT, address, bytes);
      await this.#queue.finished();
      return this.#copyOut(snapshot.address * ALIGNMENT, bytes);
    } finally {
      this.#allocator.free(snapshot);
    }
  }

  view(buffer: DeviceBuffer): Float32Array {
    return new Float32Array(this.#shared.memory.buffer, this.#addressOf('view', buffer), buffer.elements);
  }

  addOnHost(out: Float32Array, terms: readonly Float32Array[]): void {
    this.#hostSum.add(out, terms);
  }

  async synchronize(): Promise<void> {
    await this.#queue.finished();
  }

  async dispose(): Promise<void> {
    this.#queue.fail(new Error('the wasm device has been disposed of: create another one with createWasmDevice'));
    await Promise.all(this.#workers.map(async (worker) => await worker.terminate()));
  }

  #copyOut(address: number, bytes: number): ArrayBuffer {
    const copy = new Uint8Array(bytes);
    copy.set(this.#shared.bytes.subarray(address, address + bytes));
    return copy.buffer;
  }

  #createRecorder(): Recorder {
    const queue = this.#queue;
    const address = (buffer: DeviceBuffer): number => this.#addressOf('kernel', buffer);
    const temporary = (bytes: number): number => {
      const block = this.#allocateBlock(bytes);
      this.#temporaries.set(block.address, block);
      return block.address * ALIGNMENT;
    };
    return {
      threads: this.threads,
      record: (name, tiles, words) => queue.record(opcodeOf(name), tiles, encodeWords(name, words, address)),
      address,
      temporary,
      release: (address) => {
        const block = this.#temporaries.get(address / ALIGNMENT);
        if (!block) throw new Error(`release: no temporary memory lies at ${address}`);
        this.#temporaries.delete(block.address);
        this.#allocator.free(block);
      },
      table: (name, rows) => {
        const words = Int32Array.from(encodeRecords(name, rows, address));
        const at = temporary(words.byteLength);
        queue.write(at, new Uint8Array(words.buffer));
        return at;
      },
    };
  }

  #addressOf(caller: string, buffer: DeviceBuffer): number {
    return this.#blockOf(caller, buffer).address * ALIGNMENT;
  }

  #blockOf(caller: string, buffer: DeviceBuffer): Block {
    if (!(buffer instanceof WasmBuffer)) throw new TypeError(`${caller}: the buffer is not one of a wasm device`);
    if (buffer.owner !== this) throw new TypeError(`${caller}: the buffer belongs to another device`);
    if (!buffer.block) throw new Error(`${caller}: the buffer of ${buffer.elements} elements has been freed`);
    return buffer.block;
  }

  #allocateBlock(bytes: number): Block {
    if (this.#queue.failure) throw this.#queue.failure;
    const block = this.#allocator.allocate(bytes);
    if (block) return block;
    const { liveBytes, liveBuffers } = this.#memory;
    throw new RangeError(
      `wasm device: out of memory. Asked for ${formatBytes(bytes)}; ${formatBytes(liveBytes)} are live in ${liveBuffers} ` +
        `buffers (${formatBytes(this.#allocator.usedBytes)} with what kernels hold); the longest free block has ` +
        `${formatBytes(this.#allocator.largestFreeBytes())}; the limit is ${formatBytes(this.#shared.limitBytes)}. ` +
        'Take a smaller batch, sequence or model, free what is no longer needed, or use a GPU device.',
    );
  }
}

/** "1.5 GiB" */
function formatBytes(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(3, Math.floor(Math.log2(bytes) / 10));
  const unit = ['bytes', 'KiB', 'MiB', 'GiB'][power]!;
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(2)} ${unit}`;
}
