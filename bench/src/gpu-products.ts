/** Matrix products on a GPU beside the plain kernel that a user of gpu.js would write; in Node or a page. */
import type { Table } from '@lpr/results';
import type { GpuDevice } from '@lpr/tensor';
import { type Contestant, measure } from './measure.ts';
import { noise } from './work.ts';

interface Gpu extends Contestant {
  result(): Promise<Float32Array>;
}

interface Product {
  readonly what: string;
  readonly flops: number;
  readonly ours: Gpu;
  readonly plain: Gpu;
  /** The side of a square product, which PyTorch does too. */
  readonly square?: number;
}

type Kernel = (...inputs: readonly unknown[]) => Promise<{ toArray(): Promise<Float32Array[]> }>;

/** Its types leave out the mode, and the device that its kernels share. */
interface GpuJs {
  readonly WebGPUContext: {
    acquire(): Promise<{ readonly device: { readonly queue: { onSubmittedWorkDone(): Promise<void> } } }>;
  };
  readonly GPU: new (settings: {
    readonly mode: 'webgpu';
  }) => {
    createKernel(
      source: string,
      settings: object,
    ): Kernel & { readonly kernel: { readonly constructor: { readonly mode: string } } };
  };
}

/** One output a thread and a plain loop. */
class Plain {
  readonly #library: GpuJs;
  readonly #gpu: InstanceType<GpuJs['GPU']>;

  constructor(library: GpuJs) {
    this.#library = library;
    this.#gpu = new library.GPU({ mode: 'webgpu' });
  }

  /** A buffer on the GPU. */
  async put(numbers: Float32Array): Promise<unknown> {
    const settings = { output: [numbers.length], pipeline: true, argumentTypes: { x: 'Array' } };
    return await this.#gpu.createKernel('function (x) { return x[this.thread.x]; }', settings)(numbers);
  }

  async contestant(body: string, output: readonly number[], inputs: Readonly<Record<string, unknown>>): Promise<Gpu> {
    const names = Object.keys(inputs);
    const kernel = this.#gpu.createKernel(`function (${names.join(', ')}) { ${body} }`, { output, pipeline: true });
    const all = Object.values(inputs);
    const result = await kernel(...all);
    const { mode } = kernel.kernel.constructor;
    if (mode !== 'webgpu') throw new Error(`gpu.js fell back to mode ${mode}`);
    return {
      run: async (times) => {
        for (let i = 0; i < times; i++) void kernel(...all);
        await (await this.#library.WebGPUContext.acquire()).device.queue.onSubmittedWorkDone();
      },
      result: async () => Float32Array.from((await result.toArray()).flatMap((row) => Array.from(row))),
    };
  }
}

function oursOn(device: GpuDevice, out: ReturnType<GpuDevice['allocate']>, record: () => void): Gpu {
  return {
    async result() {
      record();
      return new Float32Array(await device.read(out));
    },
    async run(times) {
      for (let i = 0; i < times; i++) record();
      await device.synchronize();
    },
  };
}

function put(device: GpuDevice, data: Float32Array | Int32Array): ReturnType<GpuDevice['allocate']> {
  const buffer = device.allocate(data.length);
  device.write(buffer, data);
  return buffer;
}

async function matmul(device: GpuDevice, plain: Plain, m: number, n: number, k: number): Promise<Product> {
  const [aNumbers, bNumbers] = [noise(m * k), noise(k * n)];
  const [a, b, out] = [put(device, aNumbers), put(device, bNumbers), device.allocate(m * n)];
  const layout = { transposeA: false, transposeB: false, aBatchStride: 0, bBatchStride: 0, accumulate: false };
  return {
    what: `matmul ${m} x ${n} x ${k}`,
    flops: 2 * m * n * k,
    ...(m === n && n === k && { square: m }),
    ours: oursOn(device, out, () => device.kernels.matmul({ a, b, out, batch: 1, m, n, k, ...layout })),
    plain: await plain.contestant(
      `let sum = 0; for (let i = 0; i < ${k}; i++) { sum += a[this.thread.y * ${k} + i] * b[i * ${n} + this.thread.x]; } return sum;`,
      [n, m],
      { a: await plain.put(aNumbers), b: await plain.put(bNumbers) },
    ),
  };
}

async function groupedMatmul(
  device: GpuDevice,
  plain: Plain,
  rows: number,
  groups: number,
  n: number,
  k: number,
): Promise<Product> {
  // Sizes as from a router that is not quite even.
  const offsets = Int32Array.from({ length: groups + 1 }, (_, g) => Math.round(rows * (g / groups) ** 1.2));
  const [xNumbers, wNumbers] = [noise(rows * k), noise(groups * n * k)];
  const shape = { groups, rows, n, k, transposeWeights: false };
  const buffers = {
    x: put(device, xNumbers),
    weights: put(device, wNumbers),
    offsets: put(device, offsets),
    out: device.allocate(rows * n),
  };
  return {
    what: `grouped matmul, ${rows} rows in ${groups} groups, ${n} x ${k}`,
    flops: 2 * rows * n * k,
    ours: oursOn(device, buffers.out, () => device.kernels.groupedMatmul({ ...shape, ...buffers })),
    plain: await plain.contestant(
      `let group = 0; for (let g = 1; g < ${groups}; g++) { if (offsets[g] <= this.thread.y) { group = g; } }
       let sum = 0; for (let i = 0; i < ${k}; i++) { sum += x[this.thread.y * ${k} + i] * w[(group * ${k} + i) * ${n} + this.thread.x]; }
       return sum;`,
      [n, rows],
      {
        x: await plain.put(xNumbers),
        w: await plain.put(wNumbers),
        offsets: await plain.put(Float32Array.from(offsets)),
      },
    ),
  };
}

/** Whether all numbers are equal but for rounding. */
function close(a: Float32Array, b: Float32Array): boolean {
  const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return a.length === b.length && a.every((value, i) => Math.abs(value - b[i]!) <= 1e-4 * largest);
}

/**
 * @param toy small sizes, for a GPU that a CPU plays
 * @param other GFLOP/s of someone else's square product of this side
 */
export async function productsTable(
  device: GpuDevice,
  toy: boolean,
  other?: (side: number) => Promise<number>,
): Promise<Table> {
  const plain = new Plain((await import('gpu.js')) as unknown as GpuJs);
  const all = toy
    ? [await matmul(device, plain, 64, 64, 64), await groupedMatmul(device, plain, 128, 4, 32, 32)]
    : [
        await matmul(device, plain, 1024, 1024, 1024),
        await matmul(device, plain, 4096, 4096, 4096),
        await matmul(device, plain, 8192, 1024, 1024),
        await groupedMatmul(device, plain, 8192, 32, 128, 128),
        await groupedMatmul(device, plain, 32_768, 64, 1024, 512),
      ];
  const notes: string[] = [];
  const rows: Table['rows'][number][] = [];
  for (const { what, flops, ours, plain: rival, square } of all) {
    if (!close(await ours.result(), await rival.result())) notes.push(`the plain kernel gives another result: ${what}`);
    const [own, theirs] = await measure([ours, rival], { rounds: toy ? 3 : 9 });
    const gflops = (milliseconds: number): number => flops / milliseconds / 1e6;
    let torchGflops: number | null = null;
    if (other !== undefined && square !== undefined) {
      try {
        torchGflops = await other(square);
      } catch (error) {
        notes.push(`PyTorch left out of ${what}: ${String(error).split('\n')[0]}`);
      }
    }
    rows.push({
      what,
      ours: gflops(own!.median),
      plain: gflops(theirs!.median),
      ratio: theirs!.median / own!.median,
      ...(other !== undefined && { torch: torchGflops }),
    });
  }
  return {
    title: 'Matrix products, GFLOP/s',
    columns: [
      { key: 'what', title: 'what' },
      { key: 'ours', title: 'ours', decimals: 1 },
      { key: 'plain', title: 'plain kernel', decimals: 1 },
      { key: 'ratio', title: 'ours is faster by', decimals: 1 },
      ...(other === undefined ? [] : [{ key: 'torch', title: 'PyTorch', decimals: 1 }]),
    ],
    rows,
    notes,
  };
}
