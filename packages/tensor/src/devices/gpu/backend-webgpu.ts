/**
 * gpu.js's `webgpu` mode. Its kernels keep what they made last alive, and allow only four staging buffers a kernel to shrink again; so
 * this takes the buffer away after each run, and does uploads and reads itself.
 */
import {
  type Backend,
  checkLoops,
  checkMode,
  functionText,
  kernelSettings,
  type KernelSource,
  type Program,
} from './backend.ts';
import { GPU, WebGPUBufferResult, WebGPUContext } from './gpujs.ts';
import { type AdapterInfo, describeAdapter, isSoftware, type WebGpuBuffer, type WebGpuDevice } from './webgpu.ts';

/** Flags that the WebGPU specification fixes; their names are globals in browsers alone. */
const USAGE = { mapRead: 1, copySource: 4, copyTarget: 8, storage: 128 } as const;
const MAP_READ = 1;

/** A buffer and the wrapper by which gpu.js takes it as an argument. */
interface Block {
  readonly buffer: WebGpuBuffer;
  readonly handle: unknown;
}

export async function createWebGpuBackend(adapter: AdapterInfo): Promise<Backend<Block>> {
  const gpu = new GPU({ mode: 'webgpu' });
  const context = (await WebGPUContext.acquire()) as { readonly device: WebGpuDevice };
  const { device } = context;
  const { queue, limits } = device;
  let failure: Error | null = null;
  const fail = (message: string): void => {
    failure ??= new Error(`gpu device: WebGPU reports: ${message}`);
  };
  const onError = (event: { error: { message: string } }): void => fail(event.error.message);
  device.addEventListener('uncapturederror', onError);
  void device.lost.then(({ reason, message }) => fail(`the device was lost (${reason}) ${message}`));

  const blockOf = (buffer: WebGpuBuffer, elements: number): Block => ({
    buffer,
    handle: new WebGPUBufferResult({ buffer, output: [elements], componentCount: 1, context, kernel: null }),
  });

  function compile(source: KernelSource): Program<Block> {
    const { kernel } = gpu.createKernel(functionText(source), kernelSettings(source, 'WebGPUBuffer'));
    const built = Promise.resolve(kernel.build(...source.buffers.map(() => ({})), ...source.numbers.map(() => 0)));
    checkMode(kernel, 'webgpu');
    checkLoops(kernel.compiledSource, source);
    const program: { building: Promise<void> | null; run: Program<Block>['run'] } = {
      building: built.then(() => {
        program.building = null;
      }),
      run(buffers, numbers, extents) {
        kernel.setOutput(extents);
        void kernel.run(...buffers.map(({ handle }) => handle), ...numbers);
        const buffer = kernel.outputBuffer as WebGpuBuffer;
        kernel.outputBuffer = null;
        return blockOf(
          buffer,
          extents.reduce((a, b) => a * b, source.width),
        );
      },
    };
    // Whoever waits for the kernel gets the error; nobody may wait when another one failed first.
    program.building?.catch(() => {});
    return program;
  }

  return {
    mode: 'webgpu',
    description: `webgpu on ${describeAdapter(adapter)}`,
    software: isSoftware(adapter),
    largestBlock: Math.floor(Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize) / 4),
    get failure() {
      return failure;
    },
    compile,

    upload(data) {
      const usage = USAGE.storage | USAGE.copySource | USAGE.copyTarget;
      const buffer = device.createBuffer({ size: data.byteLength, usage });
      queue.writeBuffer(buffer, 0, data);
      return blockOf(buffer, data.length);
    },

    async read({ buffer }, elements) {
      const size = 4 * elements;
      const staging = device.createBuffer({ size, usage: USAGE.mapRead | USAGE.copyTarget });
      try {
        const encoder = device.createCommandEncoder();
        encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
        queue.submit([encoder.finish()]);
        await staging.mapAsync(MAP_READ);
        return new Float32Array(staging.getMappedRange().slice(0));
      } finally {
        staging.destroy();
      }
    },

    release: ({ buffer }) => buffer.destroy(),
    finish: () => queue.onSubmittedWorkDone(),

    dispose() {
      // The GPU itself stays open: gpu.js shares it between all its users in the process.
      device.removeEventListener('uncapturederror', onError);
      void gpu.destroy();
    },
  };
}
