/**
 * The GPU device: matrix products beside the plain kernel that a user of gpu.js would write, launches and tokens/s of a
 * training step, and PyTorch on the same card when a program is given. With `--software`, toy sizes on SwiftShader show
 * that it works.
 */
import { existsSync } from 'node:fs';
import type { Table } from '@lpr/results';
import { createGpuDevice, type GpuDevice } from '@lpr/tensor';
import * as gpujs from 'gpu.js';
import type { Bench, BenchOptions } from './bench.ts';
import { type Contestant, measure } from './measure.ts';
import { askTorch, median, ours, type Runner, type Size, SIZES, torch } from './step.ts';
import { noise } from './work.ts';

/** Debian's package chromium-common puts it there. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

const TURNS = 3;

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
const { GPU, WebGPUContext } = gpujs as unknown as {
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
};

/** One output a thread and a plain loop. */
class Plain {
  readonly #gpu = new GPU({ mode: 'webgpu' });

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
        await (await WebGPUContext.acquire()).device.queue.onSubmittedWorkDone();
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

async function products(device: GpuDevice, { torch: program, python, software }: BenchOptions): Promise<Table> {
  const plain = new Plain();
  const all = software
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
    const [own, other] = await measure([ours, rival], { rounds: software ? 3 : 9 });
    const gflops = (milliseconds: number): number => flops / milliseconds / 1e6;
    let torchGflops: number | null = null;
    if (program !== undefined && square !== undefined) {
      try {
        [torchGflops = null] = await askTorch([python, program], { device: 'cuda', matmul: square }, ['gflops']);
      } catch (error) {
        notes.push(`PyTorch left out of ${what}: ${String(error).split('\n')[0]}`);
      }
    }
    rows.push({
      what,
      ours: gflops(own!.median),
      plain: gflops(other!.median),
      ratio: other!.median / own!.median,
      torch: torchGflops,
    });
  }
  return {
    title: 'Matrix products, GFLOP/s',
    columns: [
      { key: 'what', title: 'what' },
      { key: 'ours', title: 'ours', decimals: 1 },
      { key: 'plain', title: 'plain kernel', decimals: 1 },
      { key: 'ratio', title: 'ours is faster by', decimals: 1 },
      { key: 'torch', title: 'PyTorch', decimals: 1 },
    ],
    rows,
    notes,
  };
}

const TOY: Size = {
  hidden: 32,
  layers: 2,
  heads: 2,
  keyHeads: 1,
  headDim: 16,
  experts: 8,
  topK: 2,
  expertWidth: 32,
  vocabulary: 512,
  batch: 2,
  sequence: 32,
  steps: 2,
};

async function training(
  name: string,
  size: Size,
  open: () => Promise<GpuDevice>,
  options: BenchOptions,
): Promise<Table> {
  const device = await open();
  const own = await ours('ours', device, size);
  const before = device.statistics.launches;
  // A turn is one step more than it times.
  const first = await own.turn();
  const launches = (device.statistics.launches - before) / (size.steps + 1);
  const runners: Runner[] = [own];
  if (options.torch !== undefined && !options.software) {
    for (const experts of ['official', 'grouped']) {
      runners.push(torch(options.torch, options.python, { config: name, experts, device: 'cuda' }));
    }
  }
  const rows: Table['rows'][number][] = [];
  const notes: string[] = [];
  for (const runner of runners) {
    try {
      const turns = runner === own ? [first] : [];
      while (turns.length < TURNS) turns.push(await runner.turn());
      const speed = median(turns.map(({ tokensPerSecond }) => tokensPerSecond));
      rows.push({
        who: runner.name,
        speed,
        launches: runner === own ? launches : null,
        firstLoss: turns[0]!.firstLoss,
      });
    } catch (error) {
      if (runner === own) throw error;
      notes.push(`${runner.name} left out: ${String(error).split('\n')[0]}`);
    }
  }
  await own.close();
  return {
    title: `Training step of Qwen3-MoE with LPR (official formulation), size ${name}, ${size.batch * size.sequence} tokens`,
    columns: [
      { key: 'who', title: 'who' },
      { key: 'speed', title: 'tokens/s', decimals: 1 },
      { key: 'launches', title: 'launches a step', decimals: 1 },
      { key: 'firstLoss', title: 'first loss', decimals: 3 },
    ],
    rows,
    notes,
  };
}

export const gpu: Bench = {
  about:
    'the GPU device: products, launches and tokens/s; --software: toy sizes without a GPU; --torch FILE: beside PyTorch',
  async run(report, options) {
    if (options.software && existsSync(SWIFTSHADER)) process.env['VK_DRIVER_FILES'] ??= SWIFTSHADER;
    const open = (): Promise<GpuDevice> => createGpuDevice({ allowSoftware: options.software });
    let device: GpuDevice;
    try {
      device = await open();
    } catch (error) {
      const notes = [String(error), '`--software` runs toy sizes on SwiftShader.'];
      const columns = [{ key: 'what', title: '' }];
      report('gpu-products', { title: 'GPU benchmarks: left out', columns, rows: [], notes });
      return;
    }
    const table = await products(device, options);
    report('gpu-products', { ...table, notes: [`On ${device.description}.`, ...table.notes] });
    await device.dispose();
    const sizes = options.software ? { toy: TOY } : SIZES;
    for (const [name, size] of Object.entries(sizes)) {
      report(`gpu-step-${name}`, await training(name, size, open, options));
    }
  },
};
