/** Shaders made into pipelines, and what a launch of one binds. */
import type { Pooled } from './buffer-pool.ts';
import { type Commands, SCALAR_BYTES } from './commands.ts';
import type { WebGpuBindGroup, WebGpuBuffer, WebGpuDevice, WebGpuLayout, WebGpuPipeline } from './webgpu.ts';
import type { Shader } from './wgsl.ts';

/** A buffer of the pool; its number names it in bind groups. */
export interface Block extends Pooled {
  readonly buffer: WebGpuBuffer;
  readonly bytes: number;
  /** The last hand-over of commands that use it. */
  lastTurn: number;
}

/** Workgroups along x, y and z. */
export type Workgroups = readonly [number, number, number];

/** Flag of the WebGPU specification; its name is a global in browsers alone. */
const COMPUTE = 4;

/** Bind groups that are kept: a step of training repeats most of those of the step before. */
const MOST_BIND_GROUPS = 8192;

/** Pipelines that bind alike share a layout, and with it bind groups. */
interface Layout {
  readonly name: string;
  readonly group: WebGpuLayout;
  readonly pipeline: WebGpuLayout;
}

export class Pipelines {
  readonly device: WebGpuDevice;
  readonly commands: Commands;
  /** Whether a launch may have found an index out of bounds since this was last set to false. */
  mayHaveFault = false;
  readonly #fault: WebGpuBuffer;
  readonly #layouts = new Map<string, Layout>();
  readonly #groups = new Map<string, WebGpuBindGroup>();

  /** @param fault where kernels keep the first index out of bounds */
  constructor(device: WebGpuDevice, commands: Commands, fault: WebGpuBuffer) {
    this.device = device;
    this.commands = commands;
    this.#fault = fault;
  }

  layoutOf({ buffers, results, checksIndices }: Shader): Layout {
    const writes = results + (checksIndices ? 1 : 0);
    const name = `${buffers}/${writes}`;
    let layout = this.#layouts.get(name);
    if (layout === undefined) {
      const storage = Array.from({ length: buffers + writes }, (_, i) => ({
        binding: i + 1,
        visibility: COMPUTE,
        buffer: { type: i < buffers ? 'read-only-storage' : 'storage' } as const,
      }));
      const scalars = { binding: 0, visibility: COMPUTE, buffer: { type: 'uniform', hasDynamicOffset: true } } as const;
      const group = this.device.createBindGroupLayout({ entries: [scalars, ...storage] });
      layout = { name, group, pipeline: this.device.createPipelineLayout({ bindGroupLayouts: [group] }) };
      this.#layouts.set(name, layout);
    }
    return layout;
  }

  bindGroup(layout: Layout, blocks: readonly Block[], checksIndices: boolean): WebGpuBindGroup {
    let name = checksIndices ? `${layout.name}!` : layout.name;
    for (const { number } of blocks) name += ` ${number}`;
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    if (this.#groups.size >= MOST_BIND_GROUPS) this.#groups.clear();
    const bound = blocks.map(({ buffer }) => buffer);
    if (checksIndices) bound.push(this.#fault);
    const storage = bound.map((buffer, i) => ({ binding: i + 1, resource: { buffer } }));
    const scalars = { binding: 0, resource: { buffer: this.commands.scalars, size: SCALAR_BYTES } };
    const group = this.device.createBindGroup({ layout: layout.group, entries: [scalars, ...storage] });
    this.#groups.set(name, group);
    return group;
  }
}

/** A shader that is being built, side by side with others, or is built. */
export class Pipeline {
  /** Resolves when it can be launched; null when it can be launched now. */
  building: Promise<void> | null;
  readonly #all: Pipelines;
  readonly #shader: Shader;
  readonly #layout: Layout;
  #pipeline: WebGpuPipeline | null = null;

  constructor(all: Pipelines, shader: Shader) {
    if (4 * (shader.header + shader.scalars) > SCALAR_BYTES) {
      throw new Error(`gpu device: a kernel has ${shader.scalars} scalars; no more than ${SCALAR_BYTES} bytes fit`);
    }
    this.#all = all;
    this.#shader = shader;
    this.#layout = all.layoutOf(shader);
    this.building = this.#build();
    // Whoever waits for the kernel gets the error; nobody may wait when another one failed first.
    this.building.catch(() => {});
  }

  /** Records a launch. `header` are whole numbers before the scalars. */
  launch(
    buffers: readonly Block[],
    results: readonly Block[],
    header: readonly number[],
    scalars: readonly number[],
    workgroups: Workgroups,
  ): void {
    const { commands } = this.#all;
    const { checksIndices, integers } = this.#shader;
    const blocks = [...buffers, ...results];
    for (const block of blocks) block.lastTurn = commands.turn;
    if (checksIndices) this.#all.mayHaveFault = true;
    const group = this.#all.bindGroup(this.#layout, blocks, checksIndices);
    commands.launch(this.#pipeline!, group, header, scalars, integers, workgroups);
  }

  async #build(): Promise<void> {
    const { device } = this.#all;
    const { code } = this.#shader;
    const module = device.createShaderModule({ code });
    try {
      const compute = { module, entryPoint: 'main' };
      this.#pipeline = await device.createComputePipelineAsync({ layout: this.#layout.pipeline, compute });
    } catch (error) {
      const { messages } = await module.getCompilationInfo();
      const lines = messages.map(({ lineNum, linePos, message }) => `  ${lineNum}:${linePos} ${message}`);
      throw new Error(`gpu device: WebGPU refuses a kernel:\n${lines.join('\n')}\n${String(error)}\n${code}`, {
        cause: error,
      });
    }
    this.building = null;
  }
}
