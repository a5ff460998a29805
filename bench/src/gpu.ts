/**
 * The GPU device: what it costs the host, matrix products beside the plain kernel that a user of gpu.js would write,
 * attention, tokens/s of training steps, and PyTorch on the same card when a program is given. With `--software`, toy
 * sizes on SwiftShader show that it works.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Table } from '@lpr/results';
import { readResult } from '@lpr/results/node';
import { createGpuDevice, type GpuDevice } from '@lpr/tensor';
import * as gpujs from 'gpu.js';
import type { Bench, BenchOptions } from './bench.ts';
import { attentionTable } from './gpu-attention.ts';
import { hostTable } from './gpu-host.ts';
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

/** Batches of sequences that a size trains with. */
const BATCHES: Readonly<Record<string, readonly number[]>> = { S: [8, 64, 256], M: [8, 64] };

/** Tokens/s of our step and, where a program is given, of PyTorch's. */
async function training(
  name: string,
  size: Size,
  open: () => Promise<GpuDevice>,
  options: BenchOptions,
): Promise<Table['rows'][number][]> {
  const device = await open();
  const start = performance.now();
  const own = await ours('ours', device, size);
  const first = performance.now() - start;
  const before = device.statistics.launches;
  const turns = [await own.turn()];
  // A turn is one step more than it times.
  const launches = (device.statistics.launches - before) / (size.steps + 1);
  const runners: Runner[] = [own];
  // The program's own batch.
  if (options.torch !== undefined && !options.software && size.batch === SIZES[name]?.batch) {
    for (const experts of ['official', 'grouped']) {
      runners.push(torch(options.torch, options.python, { config: name, experts, device: 'cuda' }));
    }
  }
  const what = `${name} ${(size.batch * size.sequence).toLocaleString('en')}`;
  const rows: Table['rows'][number][] = [];
  for (const runner of runners) {
    const taken = runner === own ? turns : [];
    try {
      while (taken.length < TURNS) taken.push(await runner.turn());
    } catch (error) {
      if (runner === own) throw error;
      rows.push({ what, who: `${runner.name} left out: ${String(error).split('\n')[0]}`, speed: null });
      continue;
    }
    const speed = median(taken.map(({ tokensPerSecond }) => tokensPerSecond));
    const { firstLoss } = taken[0]!;
    rows.push({ what, who: runner.name, speed, firstLoss, ...(runner === own && { launches, first }) });
  }
  await own.close();
  return rows;
}

async function stepsTable(open: () => Promise<GpuDevice>, options: BenchOptions): Promise<Table> {
  const rows: Table['rows'][number][] = [];
  if (options.software) rows.push(...(await training('toy', TOY, open, options)));
  else {
    for (const [name, batches] of Object.entries(BATCHES)) {
      for (const batch of batches) {
        // Few steps of a large batch are enough.
        const steps = Math.max(3, Math.ceil((SIZES[name]!.steps * SIZES[name]!.batch) / batch));
        rows.push(...(await training(name, { ...SIZES[name]!, batch, steps }, open, options)));
      }
    }
  }
  return {
    title: 'Training step of Qwen3-MoE with LPR (official formulation)',
    columns: [
      { key: 'what', title: 'size, tokens a step' },
      { key: 'who', title: 'who' },
      { key: 'speed', title: 'tokens/s', decimals: 1 },
      { key: 'launches', title: 'launches a step', decimals: 1 },
      { key: 'first', title: 'until the first step is done, ms', decimals: 0 },
      { key: 'firstLoss', title: 'first loss', decimals: 3 },
    ],
    rows,
    notes: [],
  };
}

const PYTORCH = new URL('../../docs/results/gpu-pytorch.json', import.meta.url);

/** What PyTorch did on a card, as docs/gpu.md of @lpr/tensor shows it, beside what was measured here. */
async function pytorchTable(measured: Table | null): Promise<Table> {
  const stored = await readResult(fileURLToPath(PYTORCH));
  if (stored.kind !== 'tables') throw new Error(`${PYTORCH.pathname}: expected a file of tables, got ${stored.kind}`);
  const { steps } = stored.tables;
  const now = new Map(measured?.rows.flatMap(({ what, who, speed }) => (who === 'ours' ? [[what, speed]] : [])));
  return {
    title: steps!.title,
    columns: [...steps!.columns, { key: 'now', title: 'ours, here', decimals: 0 }],
    rows: steps!.rows.map((row) => ({ ...row, now: now.get(row['what'] ?? null) ?? null })),
    notes: ['Stored numbers are of one NVIDIA H100; the last column is of this machine, if it has a GPU.'],
  };
}

/** What `--only` takes. */
const PARTS = ['host', 'products', 'attention', 'steps', 'pytorch'] as const;
type Part = (typeof PARTS)[number];

function partsOf(only: string | undefined): ReadonlySet<Part> {
  const names = only === undefined ? PARTS : only.split(',');
  for (const name of names) {
    if (!PARTS.some((part) => part === name)) {
      throw new Error(`--only ${name}: there is no such part of the benchmark gpu; there are: ${PARTS.join(', ')}`);
    }
  }
  return new Set(names as readonly Part[]);
}

/** A GPU, or why there is none. */
async function tryToOpen(open: () => Promise<GpuDevice>): Promise<GpuDevice | string> {
  try {
    return await open();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export const gpu: Bench = {
  about:
    'the GPU device: what it costs the host, products, attention, training steps, PyTorch on a card; --only PART,...; ' +
    '--software: toy sizes without a GPU; --torch FILE: beside PyTorch',
  async run(report, options) {
    const parts = partsOf(options.only);
    if (parts.has('host')) report('gpu-host', await hostTable());
    if (options.software && existsSync(SWIFTSHADER)) process.env['VK_DRIVER_FILES'] ??= SWIFTSHADER;
    const open = (): Promise<GpuDevice> => createGpuDevice({ allowSoftware: options.software });
    const onCard = (['products', 'attention', 'steps'] as const).filter((part) => parts.has(part));
    const device = onCard.length === 0 ? 'not asked for' : await tryToOpen(open);
    let steps: Table | null = null;
    if (typeof device !== 'string') {
      const on = (table: Table): Table => ({ ...table, notes: [`On ${device.description}.`, ...table.notes] });
      if (parts.has('products')) report('gpu-products', on(await products(device, options)));
      if (parts.has('attention')) report('gpu-attention', on(await attentionTable(device, options.software)));
      await device.dispose();
      if (parts.has('steps')) report('gpu-steps', (steps = on(await stepsTable(open, options))));
    } else if (onCard.length > 0) {
      const notes = [device, '`--software` runs toy sizes on SwiftShader.'];
      const columns = [{ key: 'what', title: 'left out' }];
      report('gpu-left-out', { title: 'What needs a GPU', columns, rows: onCard.map((what) => ({ what })), notes });
    }
    if (parts.has('pytorch')) report('gpu-pytorch', await pytorchTable(options.software ? null : steps));
  },
};
