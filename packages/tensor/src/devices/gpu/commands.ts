/**
 * Launches and copies on their way to the GPU. Each hand-over costs more than a launch, so launches are gathered in one
 * compute pass, with their scalars in one uniform buffer, and handed over together: when there are many, when the host
 * pauses, and when it waits for something. In between the GPU is at work on those before.
 */
import type {
  WebGpuBindGroup,
  WebGpuBuffer,
  WebGpuDevice,
  WebGpuEncoder,
  WebGpuPass,
  WebGpuPipeline,
} from './webgpu.ts';

/** Launches that are handed over together: enough for a hand-over to cost each little, few enough to begin soon. */
const MOST_LAUNCHES = 64;

/** Bytes of scalars that a bind group shows a kernel; more than any kernel has. */
export const SCALAR_BYTES = 1024;

/** Copies to a buffer and back are allowed besides binding. */
const USAGE = { copyTarget: 8, uniform: 64 } as const;

export class Commands {
  /** The scalars of the launches that wait. */
  readonly scalars: WebGpuBuffer;
  /** Which hand-over those that wait will be. */
  turn = 1;
  readonly #device: WebGpuDevice;
  readonly #stride: number;
  readonly #words: Uint32Array;
  readonly #floats: Float32Array;
  readonly #integers: Int32Array;
  #usedBytes = 0;
  #launches = 0;
  #encoder: WebGpuEncoder | null = null;
  #pass: WebGpuPass | null = null;
  #pipeline: WebGpuPipeline | null = null;
  #scheduled = false;
  /** What is to be done once the commands that wait are handed over. */
  #afterwards: (() => void)[] = [];

  constructor(device: WebGpuDevice) {
    this.#device = device;
    this.#stride = device.limits.minUniformBufferOffsetAlignment;
    const size = MOST_LAUNCHES * SCALAR_BYTES;
    this.scalars = device.createBuffer({ size, usage: USAGE.uniform | USAGE.copyTarget });
    const memory = new ArrayBuffer(size);
    this.#words = new Uint32Array(memory);
    this.#floats = new Float32Array(memory);
    this.#integers = new Int32Array(memory);
  }

  /** Records a launch; its scalars are `header` (whole numbers), then `scalars`, of which `integers` are whole. */
  launch(
    pipeline: WebGpuPipeline,
    group: WebGpuBindGroup,
    header: readonly number[],
    scalars: readonly number[],
    integers: number,
    workgroups: readonly [number, number, number],
  ): void {
    this.#pass ??= this.#commands().beginComputePass();
    const start = this.#usedBytes / 4;
    for (let i = 0; i < header.length; i++) this.#words[start + i] = header[i]!;
    const first = start + header.length;
    for (let i = 0; i < integers; i++) this.#integers[first + i] = scalars[i]!;
    for (let i = integers; i < scalars.length; i++) this.#floats[first + i] = scalars[i]!;
    if (this.#pipeline !== pipeline) this.#pass.setPipeline(pipeline);
    this.#pipeline = pipeline;
    this.#pass.setBindGroup(0, group, [this.#usedBytes]);
    this.#pass.dispatchWorkgroups(...workgroups);
    const bytes = 4 * (header.length + scalars.length);
    this.#usedBytes += this.#stride * Math.max(1, Math.ceil(bytes / this.#stride));
    this.#launches++;
    if (this.#launches === MOST_LAUNCHES || this.#usedBytes + SCALAR_BYTES > 4 * this.#words.length) this.flush();
  }

  copy(from: WebGpuBuffer, fromOffset: number, to: WebGpuBuffer, toOffset: number, size: number): void {
    const encoder = this.#commands();
    this.#endPass();
    encoder.copyBufferToBuffer(from, fromOffset, to, toOffset, size);
  }

  /** Calls `work` once what waits now is handed over; at once when nothing waits. */
  after(work: () => void): void {
    if (this.#encoder === null) work();
    else this.#afterwards.push(work);
  }

  /** Hands everything that waits over to the GPU. */
  flush(): void {
    const encoder = this.#encoder;
    if (encoder === null) return;
    this.#endPass();
    const { queue } = this.#device;
    if (this.#usedBytes > 0) queue.writeBuffer(this.scalars, 0, this.#words, 0, this.#usedBytes / 4);
    queue.submit([encoder.finish()]);
    this.#encoder = null;
    this.#usedBytes = 0;
    this.#launches = 0;
    this.turn++;
    const afterwards = this.#afterwards;
    this.#afterwards = [];
    for (const work of afterwards) work();
  }

  #commands(): WebGpuEncoder {
    if (this.#encoder !== null) return this.#encoder;
    if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => {
        this.#scheduled = false;
        this.flush();
      });
    }
    return (this.#encoder = this.#device.createCommandEncoder());
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = null;
    this.#pipeline = null;
  }
}
