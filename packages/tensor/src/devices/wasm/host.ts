/**
 * What differs between Node and browsers: loading the compiled kernels, and worker threads. Node's modules are looked
 * up at run time, so that bundlers for browsers see no import of them.
 */

import { SOURCES_SECTION, sourcesDigest } from './sources.ts';

interface WasmModule {
  readonly kind?: never;
}
interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
  grow(pages: number): number;
}
/** What the host calls in an instance; see assembly/runtime.ts and assembly/host.ts. */
export interface KernelExports {
  heapBase(): number;
  attach(control: number, scratch: number): void;
  drain(): void;
  addNumbers(out: number, a: number, b: number, count: number): void;
  currentOpcode(): number;
  currentTile(): number;
  faultIndex(): number;
  faultBound(): number;
}
// The types of WebAssembly and of web workers come with TypeScript's DOM library only, which would add every browser
// global.
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  compile(bytes: BufferSource): Promise<WasmModule>;
  Module: { customSections(module: WasmModule, name: string): ArrayBuffer[] };
  Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => WasmMemory;
  Instance: new (module: WasmModule, imports: { env: object; runtime: object }) => { readonly exports: unknown };
};
type BufferSource = Uint8Array<ArrayBuffer> | ArrayBuffer;
interface WebWorker {
  onmessage: ((event: { data: WorkerMessage }) => void) | null;
  onerror: ((event: { message?: string }) => void) | null;
  postMessage(data: unknown): void;
  terminate(): void;
}
declare const Worker: new (url: URL, options: { type: 'module' }) => WebWorker;

export type { WasmMemory, WasmModule };

export const PAGE_BYTES = 65536;

/**
 * Where and how a kernel failed. `bound` is -1 unless an index was the cause: then the number of things it may choose
 * among.
 */
export interface KernelFailure {
  readonly opcode: number;
  readonly tile: number;
  readonly index: number;
  readonly bound: number;
  readonly message: string;
}

/** What a worker says; see worker.mjs. */
export type WorkerMessage = { kind: 'ready' } | { kind: 'signal' } | ({ kind: 'failed' } & KernelFailure);

export interface WorkerHandle {
  /** While held, the worker keeps the process alive (Node). */
  hold(): void;
  letGo(): void;
  terminate(): Promise<void>;
}

export interface WorkerSetup {
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  /** Byte addresses of the control block and of the worker's scratch memory. */
  readonly control: number;
  readonly scratch: number;
}

const node: typeof process | undefined =
  typeof process !== 'undefined' && typeof process.getBuiltinModule === 'function' ? process : undefined;

const clockOrigin: number = performance.timeOrigin;

/** Number of threads the machine runs at once. */
export function availableThreads(): number {
  if (node) return node.getBuiltinModule('node:os').availableParallelism();
  return (globalThis as { navigator?: { hardwareConcurrency?: number } }).navigator?.hardwareConcurrency ?? 1;
}

/** Whether shared memory can be handed to workers here (in browsers only on cross-origin isolated pages). */
export function canShareMemory(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false;
  if (node) return true;
  return (
    typeof Worker !== 'undefined' && (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true
  );
}

/** A module whose only function adds with `f32x4.relaxed_madd`. */
const RELAXED_PROBE: Uint8Array = Uint8Array.from(
  '0061736d01000000 01050160 00017b 03020100 0a130111 00 4100fd11 4100fd11 4100fd11 fd8502 0b'
    .replaceAll(' ', '')
    .match(/../g)!,
  (byte) => Number.parseInt(byte, 16),
);

/** Whether this host runs relaxed SIMD; switches it on in Node 20, where it lies behind a V8 flag. */
export function enableRelaxedSimd(): boolean {
  if (WebAssembly.validate(RELAXED_PROBE)) return true;
  if (!node) return false;
  node.getBuiltinModule('node:v8').setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(RELAXED_PROBE);
}

/** Loads and compiles the kernels. */
export async function compileKernels(relaxedSimd: boolean): Promise<WasmModule> {
  const url = relaxedSimd
    ? new URL('./generated/kernels-relaxed.wasm', import.meta.url)
    : new URL('./generated/kernels.wasm', import.meta.url);
  let module: WasmModule;
  try {
    module = await WebAssembly.compile(await loadBytes(url));
  } catch (error) {
    throw new Error(
      `createWasmDevice: cannot load the kernels from ${url.href}; build them with "pnpm run kernels" in packages/tensor`,
      { cause: error },
    );
  }
  checkKernels(module, url, await sourcesDigest());
  return module;
}

/**
 * Throws when the kernels were compiled from other sources than those at hand; `digest` is null where there are none.
 */
function checkKernels(module: WasmModule, url: URL, digest: string | null): void {
  const compiledFrom = WebAssembly.Module.customSections(module, SOURCES_SECTION).map((bytes) =>
    new TextDecoder().decode(bytes),
  );
  if (digest === null || compiledFrom.includes(digest)) return;
  throw new Error(
    `createWasmDevice: the compiled kernels in ${url.href} are not those of the sources beside them; build them again ` +
      'with "pnpm run kernels" in packages/tensor, and dist with "pnpm run build"',
  );
}

async function loadBytes(url: URL): Promise<BufferSource> {
  if (node && url.protocol === 'file:') return await node.getBuiltinModule('node:fs/promises').readFile(url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`HTTP status ${response.status}`);
  return await response.arrayBuffer();
}

/**
 * A memory that grows from `initialPages` to `maximumPages` of 64 KiB.
 *
 * @throws Error when the process may not have as many addresses as the host reserves for one
 */
export function createMemory(initialPages: number, maximumPages: number): WasmMemory {
  try {
    return new WebAssembly.Memory({ initial: initialPages, maximum: maximumPages, shared: true });
  } catch (error) {
    throw new Error(
      `createWasmDevice: the host gives no memory (${String(error)}). It reserves addresses for all that one may ever ` +
        'grow to, 10 GiB in V8, used or not: let the process have more of them (ulimit -v), or less of them suffice ' +
        '(node --disable-wasm-trap-handler)',
      { cause: error },
    );
  }
}

/** An instance for the calling thread, which needs no signal: what it records has run at once. */
export function instantiate(module: WasmModule, memory: WasmMemory): KernelExports {
  const instance = new WebAssembly.Instance(module, { env: { memory }, runtime: { now, signal() {} } });
  return instance.exports as KernelExports;
}

/** Milliseconds on the clock that workers stamp with. */
export function now(): number {
  return performance.now();
}

/**
 * Starts one worker a setup; resolves when all take commands. They do not keep the process alive until held.
 *
 * @param onMessage Gets what the workers say afterwards.
 * @param onCrash Called when a worker dies by itself.
 */
export async function startWorkers(
  setups: readonly WorkerSetup[],
  onMessage: (message: WorkerMessage) => void,
  onCrash: (error: Error) => void,
): Promise<WorkerHandle[]> {
  const start = node ? startNodeWorker : startWebWorker;
  const workers: WorkerHandle[] = [];
  const startOne = async (setup: WorkerSetup): Promise<void> =>
    await new Promise((resolve, reject) => {
      const worker = start(
        { ...setup, clockOrigin },
        (message) => (message.kind === 'ready' ? resolve() : onMessage(message)),
        (error) => {
          reject(error);
          onCrash(error);
        },
      );
      workers.push(worker);
    });
  try {
    await Promise.all(setups.map(startOne));
  } catch (error) {
    await Promise.all(workers.map(async (worker) => await worker.terminate()));
    throw error;
  }
  for (const worker of workers) worker.letGo();
  return workers;
}

type StartWorker = (
  data: object,
  onMessage: (message: WorkerMessage) => void,
  onCrash: (error: Error) => void,
) => WorkerHandle;

const startNodeWorker: StartWorker = (data, onMessage, onCrash) => {
  const { Worker } = node!.getBuiltinModule('node:worker_threads');
  // No execArgv: the worker needs none of the loaders that the main thread may have been started with.
  const worker = new Worker(new URL('./worker.mjs', import.meta.url), { execArgv: [], name: 'lpr-wasm' });
  let isTerminated = false;
  worker.on('message', onMessage);
  worker.on('error', onCrash);
  worker.on('exit', (code) => {
    // Code 0: it stopped because a kernel failed, which the worker where that happened has told or is about to tell.
    if (code !== 0 && !isTerminated)
      onCrash(new Error(`a worker of the wasm device has ended by itself with code ${code}`));
  });
  worker.postMessage(data);
  return {
    hold: () => worker.ref(),
    letGo: () => worker.unref(),
    async terminate() {
      isTerminated = true;
      await worker.terminate();
    },
  };
};

const startWebWorker: StartWorker = (data, onMessage, onCrash) => {
  const worker = new Worker(new URL('./worker.mjs', import.meta.url), { type: 'module' });
  worker.onmessage = (event) => onMessage(event.data);
  worker.onerror = (event) =>
    onCrash(new Error(`a worker of the wasm device failed: ${event.message ?? 'not loaded'}`));
  worker.postMessage(data);
  return {
    hold() {},
    letGo() {},
    async terminate() {
      worker.terminate();
    },
  };
};
