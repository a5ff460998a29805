/**
 * A device on the CPU: WebAssembly SIMD kernels, run by one worker thread a core from a queue in shared memory, while
 * the calling thread only records and stays responsive. Results are bit-identical for any number of threads.
 */
import { formatBounds } from '../../shape.ts';
import { commandName } from './commands/encoding.ts';
import type { CommandName } from './commands/index.ts';
import { SharedMemoryDevice, type WasmDevice } from './device.ts';
import {
  availableThreads,
  canShareMemory,
  compileKernels,
  enableRelaxedSimd,
  instantiate,
  type KernelFailure,
  startWorkers,
  type WorkerMessage,
} from './host.ts';
import { HOST_SUM_BYTES, HostSum } from './host-sum.ts';
import { CONTROL_BYTES } from './layout.ts';
import { Profile } from './profile.ts';
import { CommandQueue } from './queue.ts';
import { SCRATCH_BYTES } from './recorder.ts';
import { ADDRESSABLE_BYTES, SharedMemory } from './shared-memory.ts';
import { STAGING_BYTES, Staging } from './staging.ts';

export type { WasmDevice } from './device.ts';
export type { Profile, ProfileTimes } from './profile.ts';

/** Threads, instructions and memory of a wasm device. */
export interface WasmDeviceOptions {
  /**
   * Worker threads; as many as the machine runs at once by default. 0 runs kernels on the calling thread, as does a
   * host that cannot share memory with workers (a web page that is not cross-origin isolated).
   */
  readonly threads?: number;
  /**
   * Multiply-adds with one rounding where the processor has them: faster, and results differ in the last bits between
   * processors. 'auto', the default, uses them where the host can; true insists.
   */
  readonly relaxedSimd?: boolean | 'auto';
  /** The most memory to use, in bytes; 4 GiB, all that WebAssembly addresses, by default. */
  readonly memoryLimit?: number;
}

/**
 * Starts a wasm device.
 *
 * @throws RangeError for an impossible number of threads or memory limit; Error when relaxed SIMD is insisted on and
 *   missing, or when kernels or workers cannot be loaded.
 */
export async function createWasmDevice(options: WasmDeviceOptions = {}): Promise<WasmDevice> {
  const { relaxedSimd = 'auto', memoryLimit = ADDRESSABLE_BYTES } = options;
  const threads = threadCount(options.threads);
  if (!(memoryLimit <= ADDRESSABLE_BYTES)) {
    throw new RangeError(
      `createWasmDevice: memoryLimit is ${memoryLimit} bytes, at most ${ADDRESSABLE_BYTES} can be used`,
    );
  }
  const relaxed = relaxedSimd !== false && enableRelaxedSimd();
  if (relaxedSimd === true && !relaxed) {
    throw new Error('createWasmDevice: this host has no relaxed SIMD; leave relaxedSimd out to do without');
  }
  const module = await compileKernels(relaxed);

  const shared = new SharedMemory(memoryLimit);
  const kernels = instantiate(module, shared.memory);
  // Lowest, what the compiled kernels carry with them; then the control block, staging, a scratch for each thread, and
  // that of the recording one.
  const control = Math.ceil(kernels.heapBase() / 128) * 128;
  const stagingStart = control + CONTROL_BYTES;
  const scratchStart = stagingStart + STAGING_BYTES;
  const sumStart = scratchStart + Math.max(1, threads) * SCRATCH_BYTES;
  const heapStart = sumStart + HOST_SUM_BYTES;
  if (shared.extend(heapStart) < heapStart) {
    throw new RangeError(
      `createWasmDevice: ${threads} threads need ${heapStart} bytes for themselves, and there are ${Math.min(memoryLimit, shared.memory.buffer.byteLength)}; ` +
        'name fewer threads, or a higher memoryLimit',
    );
  }
  kernels.attach(control, scratchStart);

  const queue = new CommandQueue({
    shared,
    control,
    staging: new Staging(shared, stagingStart),
    threads,
    drain() {
      try {
        kernels.drain();
      } catch (error) {
        queue.fail(
          kernelError({
            opcode: kernels.currentOpcode(),
            tile: kernels.currentTile(),
            index: kernels.faultIndex(),
            bound: kernels.faultBound(),
            message: String(error),
          }),
        );
      }
    },
    onWaiting(isWaiting) {
      // One is enough to keep the process alive.
      if (isWaiting) workers[0]?.hold();
      else workers[0]?.letGo();
    },
  });
  const onMessage = (message: WorkerMessage): void => {
    if (message.kind === 'signal') queue.onSignal();
    if (message.kind === 'failed') queue.fail(kernelError(message));
  };
  const workers = await startWorkers(
    Array.from({ length: threads }, (_, thread) => ({
      module,
      memory: shared.memory,
      control,
      scratch: scratchStart + thread * SCRATCH_BYTES,
    })),
    onMessage,
    (error) => queue.fail(error),
  );

  return new SharedMemoryDevice({
    description: `wasm, ${threads === 0 ? 'in place' : `${threads} thread${threads === 1 ? '' : 's'}`}, ${relaxed ? 'relaxed SIMD' : 'SIMD'}`,
    shared,
    heapStart,
    queue,
    hostSum: new HostSum(kernels, shared, sumStart),
    profile: new Profile(shared.memory.buffer, control, async () => await queue.finished()),
    workers,
  });
}

function threadCount(requested: number | undefined): number {
  if (requested !== undefined && !(Number.isInteger(requested) && requested >= 0)) {
    throw new RangeError(`createWasmDevice: threads must be an integer, at least 0, got ${requested}`);
  }
  return canShareMemory() ? (requested ?? availableThreads()) : 0;
}

/** What the indices of a kernel are called, and what they choose among. */
const INDEXED: Readonly<Partial<Record<CommandName, readonly [indices: string, things: string]>>> = {
  GROUPED_MATMUL: ['offset', 'places'],
  GROUPED_MATMUL_TRANSPOSED: ['offset', 'places'],
  SOFTMAX_CROSS_ENTROPY: ['label', 'classes'],
  TAKE_ALONG_ROWS: ['index', 'columns'],
  SCATTER_ALONG_ROWS: ['index', 'columns'],
  GATHER_ROWS: ['index', 'rows in the table'],
  GATHER_SUM: ['position', 'rows'],
  GATHER_DOT: ['position', 'rows'],
  SEGMENT_PLAN: ['key', 'segments'],
  SEGMENT_SUM: ['index', 'rows or places'],
};

function kernelError({ opcode, tile, index, bound, message }: KernelFailure): Error {
  const name = commandName(opcode);
  if (bound < 0) return new Error(`wasm device: kernel ${name} failed in tile ${tile}: ${message}`);
  const [indices = 'index', things = 'elements'] = INDEXED[name as CommandName] ?? [];
  return new RangeError(`wasm device: kernel ${name} met the ${indices} ${index}; ${formatBounds(bound, things)}`);
}
