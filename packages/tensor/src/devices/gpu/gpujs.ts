/** What is used of gpu.js, with the types that it leaves out. */
import * as gpujs from 'gpu.js';

/** A kernel behind the function that `createKernel` gives. */
export interface GpuJsKernel {
  readonly constructor: { readonly mode: string };
  readonly fallbackReason: string | null;
  /** On webgpu. */
  readonly compiledSource: string;
  readonly built: boolean;
  /** On webgpu: what the next run writes, and the last run wrote. */
  outputBuffer: unknown;
  /** On webgpu: whether the next run must bind its buffers anew. */
  bindGroupDirty: boolean;
  /** On cpu. */
  readonly kernelString: string;
  setOutput(extents: readonly number[]): unknown;
  build(...args: readonly unknown[]): Promise<void> | undefined;
  run(...args: readonly unknown[]): unknown;
}

interface GpuJs {
  readonly GPU: new (settings: {
    readonly mode: string;
  }) => {
    createKernel(source: string, settings: object): { readonly kernel: GpuJsKernel };
    destroy(): Promise<void>;
  };
  /** The GPU that all webgpu kernels of a process share. */
  readonly WebGPUContext: { acquire(): Promise<{ readonly device: unknown }> };
  /** A buffer on the GPU as an argument of kernels. */
  readonly WebGPUBufferResult: new (settings: {
    readonly buffer: unknown;
    readonly output: readonly number[];
    readonly componentCount: number;
    readonly context: unknown;
    readonly kernel: unknown;
  }) => object;
}

const all = gpujs as unknown as GpuJs;
export const GPU: GpuJs['GPU'] = all.GPU;
export const WebGPUContext: GpuJs['WebGPUContext'] = all.WebGPUContext;
export const WebGPUBufferResult: GpuJs['WebGPUBufferResult'] = all.WebGPUBufferResult;
