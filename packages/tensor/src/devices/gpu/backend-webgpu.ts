/**
 * gpu.js's `webgpu` mode. Its kernels would keep alive what they made last, and their staging buffers for ever; so this
 * hands them the buffer to write at each run, takes it away afterwards, and does uploads and reads itself.
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
import { BufferPool } from './buffer-pool.ts';
import type { GpuJs } from './gpujs.ts';
import { type AdapterInfo, describeAdapter, isSoftware, type WebGpuBuffer, type WebGpuDevice } from './webgpu.ts';

/** Flags that the WebGPU specification fixes; their names are globals in browsers alone. */
const USAGE = { mapRead: 1, copySource: 4, copyTarget: 8, storage: 128 } as const;
const MAP_READ = 1;

/** A buffer and the wrapper by which gpu.js takes it as an argument. */
interface Block {
  readonly buffer: WebGpuBuffer;
  readonly bytes: number;
  readonly handle: unknown;
}

export async function createWebGpuBackend(gpuJs: GpuJs, adapter: AdapterInfo): Promise<Backend<Block>> {
  const { GPU, WebGPUBufferResult, WebGPUContext } = gpuJs;
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

  const usage = USAGE.storage | USAGE.copySource | USAGE.copyTarget;
  const pool = new BufferPool((bytes) => device.createBuffer({ size: bytes, usage }));
  const blockOf = (buffer: WebGpuBuffer, elements: number): Block => ({
    buffer,
    bytes: 4 * elements,
    handle: new WebGPUBufferResult({ buffer, output: [elements], componentCount: 1, context, kernel: null }),
  });

  function compile(source: KernelSource): Program<Block> {
    const { kernel } = gpu.createKernel(functionText(source), {
      ...kernelSettings(source, 'WebGPUBuffer'),
      // Building allocates a buffer of this size; runs bring their own.
      output: source.extents.map(() => 1),
      immutable: false,
    });
    const scalars = [...source.integers, ...source.numbers];
    const built = Promise.resolve(kernel.build(...source.buffers.map(() => ({})), ...scalars.map(() => 0)));
    checkMode(kernel, 'webgpu');
    checkLoops(kernel.compiledSource, source);
    const program: { building: Promise<void> | null; run: Program<Block>['run'] } = {
      building: built.then(() => {
        program.building = null;
      }),
      run(buffers, scalars, extents) {
        (kernel.outputBuffer as WebGpuBuffer | null)?.destroy();
        const elements = extents.reduce((a, b) => a * b, source.width);
        const buffer = pool.take(4 * elements);
        kernel.outputBuffer = buffer;
        kernel.bindGroupDirty = true;
        kernel.setOutput(extents);
        void kernel.run(...buffers.map(({ handle }) => handle), ...scalars);
        if (kernel.outputBuffer !== buffer)
          throw new Error('gpu device: gpu.js wrote another buffer than the given one');
        kernel.outputBuffer = null;
        return blockOf(buffer, elements);
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
      const buffer = pool.take(data.byteLength);
      queue.writeBuffer(buffer, 0, data);
      return blockOf(buffer, data.length);
    },

    async read({ buffer }, start, elements) {
      const size = 4 * elements;
      const staging = device.createBuffer({ size, usage: USAGE.mapRead | USAGE.copyTarget });
      try {
        const encoder = device.createCommandEncoder();
        encoder.copyBufferToBuffer(buffer, 4 * start, staging, 0, size);
        queue.submit([encoder.finish()]);
        await staging.mapAsync(MAP_READ);
        return new Float32Array(staging.getMappedRange().slice(0));
      } finally {
        staging.destroy();
      }
    },

    release: ({ buffer, bytes }) => pool.give(buffer, bytes),
    finish: () => queue.onSubmittedWorkDone(),

    dispose() {
      // The GPU itself stays open: gpu.js shares it between all its users in the process.
      device.removeEventListener('uncapturederror', onError);
      pool.destroy();
      void gpu.destroy();
    },
  };
}
