/** What is used of gpu.js, with the types that it leaves out; an optional peer, loaded when a GPU is opened. */

/** A kernel behind the function that `createKernel` gives. */
export interface GpuJsKernel {
  readonly constructor: { readonly mode: string };
  readonly fallbackReason: string | null;
  /** On webgpu: all of the shader; the kernel's statements in it, and the functions that they call. */
  readonly compiledSource: string;
  readonly translatedBody: string;
  readonly translatedFunctions: string;
  /** On webgpu: what `build` does once the shader is written. */
  _buildAsync: () => Promise<void>;
  readonly built: boolean;
  /** On cpu. */
  readonly kernelString: string;
  setOutput(extents: readonly number[]): unknown;
  build(...args: readonly unknown[]): Promise<void> | undefined;
  run(...args: readonly unknown[]): unknown;
}

export interface GpuJs {
  readonly GPU: new (settings: {
    readonly mode: string;
  }) => {
    createKernel(source: string, settings: object): { readonly kernel: GpuJsKernel };
    destroy(): Promise<void>;
  };
}

/** What to do where gpu.js is not installed. */
export const HOW_TO_ADD_GPU_JS =
  'the package gpu.js is not installed; install it with "pnpm add gpu.js@2.24.1" or "npm install gpu.js@2.24.1"';

/** The library; null where it is not installed. */
export async function loadGpuJs(): Promise<GpuJs | null> {
  try {
    // Within `try`, bundlers take it for what may be missing.
    return (await import('gpu.js')) as unknown as GpuJs;
  } catch {
    return null;
  }
}
