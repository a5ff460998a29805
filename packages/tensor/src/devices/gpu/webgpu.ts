/**
 * Finds WebGPU: the browser's, or in Node the one of the `webgpu` package (Dawn). Only the parts of the WebGPU
 * interface that are used here are typed.
 */

export interface WebGpuBuffer {
  getMappedRange(offset: number, size: number): ArrayBuffer;
  mapAsync(mode: number, offset: number, size: number): Promise<void>;
  unmap(): void;
  destroy(): void;
}

/** Handles that are only handed back to WebGPU. */
export type WebGpuPipeline = object & { readonly pipeline?: never };
export type WebGpuBindGroup = object & { readonly bindGroup?: never };
export type WebGpuLayout = object & { readonly layout?: never };

interface WebGpuShader {
  getCompilationInfo(): Promise<{
    readonly messages: readonly {
      readonly type: string;
      readonly message: string;
      readonly lineNum: number;
      readonly linePos: number;
    }[];
  }>;
}

export interface WebGpuPass {
  setPipeline(pipeline: WebGpuPipeline): void;
  setBindGroup(index: number, group: WebGpuBindGroup, dynamicOffsets: readonly number[]): void;
  dispatchWorkgroups(x: number, y: number, z: number): void;
  end(): void;
}

export interface WebGpuEncoder {
  beginComputePass(): WebGpuPass;
  copyBufferToBuffer(from: WebGpuBuffer, fromOffset: number, to: WebGpuBuffer, toOffset: number, size: number): void;
  clearBuffer(buffer: WebGpuBuffer): void;
  finish(): unknown;
}

/** Limits of which the most that an adapter allows is asked for. */
const LIMITS = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
] as const;

type Limits = Readonly<Record<(typeof LIMITS)[number], number>>;

export interface WebGpuDevice {
  readonly limits: Limits & { readonly minUniformBufferOffsetAlignment: number };
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  readonly queue: {
    writeBuffer(
      buffer: WebGpuBuffer,
      offset: number,
      data: Float32Array | Uint32Array,
      from?: number,
      size?: number,
    ): void;
    submit(commands: readonly unknown[]): void;
    onSubmittedWorkDone(): Promise<void>;
  };
  createBuffer(descriptor: { size: number; usage: number }): WebGpuBuffer;
  createShaderModule(descriptor: { code: string }): WebGpuShader;
  createBindGroupLayout(descriptor: {
    entries: readonly {
      binding: number;
      visibility: number;
      buffer: { type: 'uniform' | 'storage' | 'read-only-storage'; hasDynamicOffset?: boolean };
    }[];
  }): WebGpuLayout;
  createPipelineLayout(descriptor: { bindGroupLayouts: readonly WebGpuLayout[] }): WebGpuLayout;
  createComputePipelineAsync(descriptor: {
    layout: WebGpuLayout;
    compute: { module: WebGpuShader; entryPoint: string };
  }): Promise<WebGpuPipeline>;
  createBindGroup(descriptor: {
    layout: WebGpuLayout;
    entries: readonly { binding: number; resource: { buffer: WebGpuBuffer; size?: number } }[];
  }): WebGpuBindGroup;
  createCommandEncoder(): WebGpuEncoder;
  addEventListener(type: 'uncapturederror', listener: (event: { error: { message: string } }) => void): void;
  destroy(): void;
}

export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter?: boolean;
}

export interface WebGpuAdapter {
  readonly info: AdapterInfo;
  readonly limits: Limits;
  requestDevice(descriptor: { requiredLimits: Limits }): Promise<WebGpuDevice>;
}

interface WebGpu {
  requestAdapter(options: { powerPreference: 'high-performance' }): Promise<WebGpuAdapter | null>;
}

interface WithWebGpu {
  navigator?: { gpu?: WebGpu };
}

/** An adapter, for one device; null when there is none. Installs `navigator.gpu` in Node. */
export async function findAdapter(): Promise<WebGpuAdapter | null> {
  const gpu = (globalThis as WithWebGpu).navigator?.gpu ?? (await installWebGpu());
  return (await gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? null;
}

/** A device with the most that the adapter allows. */
export async function openDevice(adapter: WebGpuAdapter): Promise<WebGpuDevice> {
  const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])) as Limits;
  return await adapter.requestDevice({ requiredLimits });
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
