/** WebGPU: gpu.js writes the shaders of its kernels, and everything from there on is done here. */
import { spread } from './axes.ts';
import type { Backend, KernelSource, LaunchPart, Program } from './backend.ts';
import { BufferPool, type Pooled, roundedSize } from './buffer-pool.ts';
import { Commands } from './commands.ts';
import type { GpuJs } from './gpujs.ts';
import { IndexChecks } from './index-checks.ts';
import { type Block, Pipeline, Pipelines } from './pipelines.ts';
import { describeAdapter, isSoftware, openDevice, type WebGpuAdapter, type WebGpuBuffer } from './webgpu.ts';
import { FAULT_MARK, FAULT_WORDS, shaderOf, threadsOf, translate, type Translation } from './wgsl.ts';

/** Flags that the WebGPU specification fixes; their names are globals in browsers alone. */
const USAGE = { mapRead: 1, copySource: 4, copyTarget: 8, storage: 128 } as const;
const MAP_READ = 1;

const FAULT_BYTES = 4 * FAULT_WORDS;

/** Buffers up to this size, by which numbers come back to the host, are kept to be used again. */
const MOST_KEPT_STAGING = 2 ** 16;

/** No launch reads more buffers: beyond, there is little to gain, and scalars must be told for each. */
const MOST_BUFFERS = 15;

/** Buffers that are kept beyond the most that were in use: making one costs more than many launches. */
const SPARE_BYTES = 2 ** 28;

/** A buffer by which numbers come back. */
interface Staging extends Pooled {
  readonly buffer: WebGpuBuffer;
}

export async function createWebGpuBackend({ GPU }: GpuJs, adapter: WebGpuAdapter): Promise<Backend<Block>> {
  const gpu = new GPU({ mode: 'webgpu' });
  // In one object, so that neither is collected before the other.
  const held = { adapter, device: await openDevice(adapter) };
  const { device } = held;
  const { queue, limits } = device;
  const checks = new IndexChecks();
  let failure: Error | null = null;
  let closed = false;
  const fail = (error: Error): void => {
    if (!closed) failure ??= error;
  };
  const report = (message: string): void => fail(new Error(`gpu device: WebGPU reports: ${message}`));
  device.addEventListener('uncapturederror', (event) => report(event.error.message));
  void device.lost.then(({ reason, message }) => report(`the device was lost (${reason}) ${message}`));

  const commands = new Commands(device);
  const usage = USAGE.storage | USAGE.copySource | USAGE.copyTarget;
  let buffers = 0;
  const largestBytes = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const pool = new BufferPool<Block>((bytes) => {
    const buffer = device.createBuffer({ size: bytes, usage });
    // What waits to be handed over may still use it.
    const destroy = (): void => commands.after(() => buffer.destroy());
    return { buffer, bytes, number: buffers++, lastTurn: 0, destroy };
  }, SPARE_BYTES);
  const take = (elements: number): Block => pool.take(Math.min(roundedSize(4 * elements), largestBytes));
  const fault = device.createBuffer({ size: FAULT_BYTES, usage });
  queue.writeBuffer(fault, 0, new Uint32Array(FAULT_WORDS));
  const pipelines = new Pipelines(device, commands, fault);

  const translations = new Map<KernelSource, Translation>();
  function translationOf(source: KernelSource): Translation {
    let translation = translations.get(source);
    if (translation === undefined) {
      translation = translate(source, (text, settings) => gpu.createKernel(text, settings).kernel);
      translations.set(source, translation);
    }
    return translation;
  }

  function compile(parts: readonly LaunchPart[]): Program<Block> {
    const pipeline = new Pipeline(pipelines, shaderOf(parts, translationOf));
    return {
      get building() {
        return pipeline.building;
      },
      run(blocks, given) {
        const header = [0];
        const scalars = given.flatMap(({ integers }) => integers);
        let end = 0;
        for (const [i, { extents, numbers }] of given.entries()) {
          const [x = 1, y = 1, z = 1] = extents;
          const { source } = parts[i]!;
          const [across, down] = source.kind === 'shader' ? [1, 1] : threadsOf(source);
          const [groupsX, groupsY] = [Math.ceil(x / across), Math.ceil(y / down)];
          end += groupsX * groupsY * z;
          header.push(x, y, z, groupsX, groupsY, end);
          for (const number of numbers) scalars.push(number);
        }
        const workgroups = spread(end);
        header[0] = workgroups[0];
        const results = given.flatMap(({ sizes }) => sizes.map(take));
        pipeline.launch(blocks, results, header, scalars, workgroups);
        return results;
      },
    };
  }

  const createStaging = (size: number): Staging => {
    const buffer = device.createBuffer({ size, usage: USAGE.mapRead | USAGE.copyTarget });
    return { buffer, number: buffers++, destroy: () => buffer.destroy() };
  };
  const staging = new BufferPool(createStaging);

  /** Numbers of a block, and whether a kernel before met a wrong index. */
  async function fetch(block: Block | null, start: number, elements: number): Promise<ArrayBuffer> {
    const size = FAULT_BYTES + 4 * elements;
    const kept = size <= MOST_KEPT_STAGING;
    const bytes = kept ? 2 ** Math.ceil(Math.log2(size)) : size;
    const to = kept ? staging.take(bytes) : createStaging(bytes);
    const { buffer } = to;
    commands.copy(fault, 0, buffer, 0, FAULT_BYTES);
    if (block !== null && elements > 0) commands.copy(block.buffer, 4 * start, buffer, FAULT_BYTES, 4 * elements);
    // Reads that come together are handed over together.
    await new Promise<void>((resolve) => commands.after(resolve));
    await buffer.mapAsync(MAP_READ, 0, size);
    const copied = buffer.getMappedRange(0, size).slice(0);
    buffer.unmap();
    if (kept) staging.give(to, bytes);
    else to.destroy();
    const [check, bits, mark] = new Uint32Array(copied, 0, FAULT_WORDS) as unknown as [number, number, number];
    if (mark === FAULT_MARK) {
      fail(checks.error(check, new Float32Array(Uint32Array.of(bits).buffer)[0]!));
      throw failure!;
    }
    return copied.slice(FAULT_BYTES);
  }

  return {
    mode: 'webgpu',
    description: `webgpu on ${describeAdapter(held.adapter.info)}`,
    software: isSoftware(held.adapter.info),
    // The result is bound too.
    mostBuffers: Math.min(limits.maxStorageBuffersPerShaderStage - 1, MOST_BUFFERS),
    runsShaders: true,
    mostBound: limits.maxStorageBuffersPerShaderStage,
    largestBlock: Math.floor(largestBytes / 4),
    get failure() {
      return failure;
    },
    checks,
    compile,

    upload(data) {
      const block = take(data.length);
      // A write overtakes the commands that wait.
      if (block.lastTurn === commands.turn) commands.flush();
      queue.writeBuffer(block.buffer, 0, data);
      return block;
    },

    read: async (block, start, elements) => new Float32Array(await fetch(block, start, elements)),
    release: (block) => pool.give(block, block.bytes),

    async finish() {
      await fetch(null, 0, 0);
    },

    dispose() {
      closed = true;
      device.destroy();
      void gpu.destroy();
    },
  };
}
