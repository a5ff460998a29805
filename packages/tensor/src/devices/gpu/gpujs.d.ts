/** What gpu.js exports but leaves out of its types. */
import 'gpu.js';

declare module 'gpu.js' {
  /** The GPU that all webgpu kernels of a process share. */
  export const WebGPUContext: {
    acquire(): Promise<{ readonly device: unknown }>;
  };
  /** A buffer on the GPU as an argument of kernels. */
  export const WebGPUBufferResult: new (settings: {
    readonly buffer: unknown;
    readonly output: readonly number[];
    readonly componentCount: number;
    readonly context: unknown;
    readonly kernel: unknown;
  }) => object;
  /** Kernels of mode webgpu. */
  export class WebGPUKernel {
    assembleWGSL(): string;
  }
}
