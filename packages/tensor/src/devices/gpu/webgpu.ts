/**
 * Finds WebGPU: the browser's, or in Node the one of the `webgpu` package (Dawn), which gpu.js expects to find as
 * `navigator.gpu`. Only the parts of the WebGPU interface that are used here are typed.
 */

export interface WebGpuBuffer {
  getMappedRange(): ArrayBuffer;
  mapAsync(mode: number): Promise<void>;
  unmap(): void;
  destroy(): void;
}

export interface WebGpuDevice {
  readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number };
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  readonly queue: {
    writeBuffer(buffer: WebGpuBuffer, offset: number, data: Float32Array): void;
    submit(commands: readonly unknown[]): void;
    onSubmittedWorkDone(): Promise<void>;
  };
  createBuffer(descriptor: { size: number; usage: number; mappedAtCreation?: boolean }): WebGpuBuffer;
  createCommandEncoder(): {
    copyBufferToBuffer(from: WebGpuBuffer, fromOffset: number, to: WebGpuBuffer, toOffset: number, size: number): void;
    finish(): unknown;
  };
  addEventListener(type: 'uncapturederror', listener: (event: { error: { message: string } }) => void): void;
  removeEventListener(type: 'uncapturederror', listener: (event: { error: { message: string } }) => void): void;
}

export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter?: boolean;
}

interface WebGpu {
  requestAdapter(): Promise<{ readonly info: AdapterInfo } | null>;
}

interface WithWebGpu {
  navigator?: { gpu?: WebGpu };
}

/** The adapter that gpu.js will get; null when there is none. Installs `navigator.gpu` in Node. */
export async function findAdapter(): Promise<AdapterInfo | null> {
  const gpu = (globalThis as WithWebGpu).navigator?.gpu ?? (await installWebGpu());
  return (await gpu?.requestAdapter())?.info ?? null;
}

/** Of Node alone; held in a variable so that bundlers for browsers leave it out. */
const NODE_PACKAGE: string = 'webgpu';

/**
 * What a process of its own runs to see whether there is an adapter: where there is none, drivers and their loader
 * write to the terminal what only they understand, and a broken driver ends the process that asks.
 */
const PROBE = `
const { create } = await import(process.argv[1]);
process.exit((await create([]).requestAdapter()) === null ? 3 : 0);
`;

/** Whether a process that looks for an adapter finds one; true where no process can be started to look. */
async function probeFindsAdapter(): Promise<boolean> {
  const { execFile } = process.getBuiltinModule('node:child_process');
  const { createRequire } = process.getBuiltinModule('node:module');
  const { pathToFileURL } = process.getBuiltinModule('node:url');
  const address = pathToFileURL(createRequire(import.meta.url).resolve(NODE_PACKAGE)).href;
  return await new Promise((resolve) => {
    const command = ['--input-type=module', '--eval', PROBE, address];
    // A driver that hangs counts as none.
    execFile(process.execPath, command, { timeout: 30_000, killSignal: 'SIGKILL' }, (error) => {
      // A string: it was never started.
      resolve(error === null || typeof error.code === 'string');
    });
  });
}

/** Once is enough: no adapter comes while a process runs. */
let probe: Promise<boolean> | undefined;

async function installWebGpu(): Promise<WebGpu | null> {
  let gpu: WebGpu;
  try {
    probe ??= probeFindsAdapter();
    if (!(await probe)) return null;
    const { create } = (await import(NODE_PACKAGE)) as { create: (flags: readonly string[]) => WebGpu };
    gpu = create([]);
  } catch {
    // An optional peer, with binaries for common platforms only.
    return null;
  }
  const scope = globalThis as WithWebGpu;
  // From Node 21 on, there is a navigator already.
  if (scope.navigator === undefined) {
    Object.defineProperty(scope, 'navigator', { value: {}, configurable: true, writable: true });
  }
  Object.defineProperty(scope.navigator, 'gpu', { value: gpu, configurable: true });
  return gpu;
}

/** "NVIDIA, ampere, ..." */
export function describeAdapter(info: AdapterInfo): string {
  const parts = [info.vendor, info.architecture, info.device, info.description];
  return [...new Set(parts.filter((part) => part !== ''))].join(', ') || 'unnamed adapter';
}

/** Whether the adapter runs on a CPU. */
export function isSoftware(info: AdapterInfo): boolean {
  return info.isFallbackAdapter === true || isSoftwareName(describeAdapter(info));
}

/** Whether a renderer's name is that of a rasteriser in software. */
export function isSoftwareName(name: string): boolean {
  return /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render/i.test(name);
}
