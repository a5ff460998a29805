/** Speed of the matrix kernels on the shapes of a training step, beside other JavaScript engines. */
import type { Table } from '@lpr/results';
import { createWasmDevice, type WasmDevice } from '@lpr/tensor';
import type { Bench } from './bench.ts';
import { contestTable, type EngineCell, engineCells, engineColumns, openOurs } from './contest.ts';
import { type Contestant, measure, type Timing } from './measure.ts';
import type { Product } from './work.ts';

const ONE = { batch: 1, transposeA: false, transposeB: false } as const;

/**
 * Square, tall and thin ones by which engines are compared, then products of a training step at hidden size 128 and
 * 1,024 tokens.
 */
const PRODUCTS: readonly { readonly what: string; readonly product: Product }[] = [
  { what: 'square', product: { ...ONE, m: 256, n: 256, k: 256 } },
  { what: 'square', product: { ...ONE, m: 768, n: 768, k: 768 } },
  { what: 'tall', product: { ...ONE, m: 8192, n: 64, k: 64 } },
  { what: 'thin', product: { ...ONE, m: 64, n: 64, k: 8192 } },
  { what: 'one row', product: { ...ONE, m: 1, n: 4096, k: 1024 } },
  { what: 'batch of 16', product: { ...ONE, batch: 16, m: 256, n: 256, k: 64 } },
  { what: 'projection', product: { ...ONE, m: 1024, n: 128, k: 128, transposeB: true } },
  { what: 'its weight gradient', product: { ...ONE, m: 128, n: 128, k: 1024, transposeA: true } },
  { what: 'logits of a chunk', product: { ...ONE, m: 256, n: 4096, k: 128, transposeB: true } },
  { what: 'hidden gradient of a chunk', product: { ...ONE, m: 256, n: 128, k: 4096 } },
  { what: 'vocabulary gradient', product: { ...ONE, m: 4096, n: 128, k: 256, transposeA: true } },
  { what: 'router', product: { ...ONE, m: 1024, n: 32, k: 128, transposeB: true } },
  { what: 'latent', product: { ...ONE, m: 1024, n: 32, k: 16, transposeB: true } },
];

const noise = (length: number): Float32Array => Float32Array.from({ length }, () => 2 * Math.random() - 1);

/** How GFLOP/s are printed: of the median turn, and of the best one. */
const SPEED = { decimals: 1, beside: { what: 'best', decimals: 1 } };

/** GFLOP/s from timings of `flops` operations. */
function gigaflops(flops: number, timings: readonly (Timing | null)[]): (EngineCell | null)[] {
  return timings.map((timing) =>
    timing === null ? null : { value: flops / 1e6 / timing.median, beside: flops / 1e6 / timing.best },
  );
}

async function products(): Promise<Table> {
  const own = [
    await openOurs('ours 1T', { threads: 1 }),
    await openOurs('ours 2T', { threads: 2 }),
    await openOurs('ours 1T, no relaxed SIMD', { threads: 1, relaxedSimd: false }),
  ];
  const entries = PRODUCTS.map(({ what, product }) => {
    const { batch, m, n, k, transposeA, transposeB } = product;
    const form = `${m} x ${n} x ${k} ${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`;
    return { what: `${what}, ${form}`, flops: 2 * batch * m * n * k, work: { kind: 'matmul', ...product } as const };
  });
  const notes = ['GFLOP/s: median (best) of turns taken in rotation; T is threads.'];
  return await contestTable(
    { title: 'Matrix products', head: 'product', notes },
    entries,
    { column: SPEED, cells: (timings, { flops }) => gigaflops(flops, timings) },
    own,
  );
}

type Devices = Readonly<Record<'one' | 'two' | 'plain', WasmDevice>>;

/** Kernels that no other engine has: grouped products and attention. */
async function ownKernels(devices: Devices): Promise<Table> {
  const cases = [
    ...[
      { rows: 4096, groups: 32, n: 128, k: 128, transposeWeights: true },
      { rows: 4096, groups: 32, n: 128, k: 64, transposeWeights: true },
      { rows: 8192, groups: 128, n: 128, k: 256, transposeWeights: true },
      { rows: 8192, groups: 128, n: 256, k: 64, transposeWeights: true },
    ].flatMap(groupedCases),
    ...[
      { batch: 4, sequence: 256, heads: 4, keyHeads: 2, headDim: 32 },
      { batch: 1, sequence: 1024, heads: 4, keyHeads: 4, headDim: 64 },
    ].flatMap(attentionCases),
  ];
  const columns = engineColumns(['ours 1T', 'ours 2T', 'ours 1T, no relaxed SIMD'], SPEED);
  const rows: Table['rows'][number][] = [];
  for (const { what, flops, prepare } of cases) {
    const contestants = Object.values(devices).map((device): Contestant => {
      const record = prepare(device);
      return {
        async run(times) {
          for (let i = 0; i < times; i++) record();
          await device.synchronize();
        },
      };
    });
    rows.push({ kernel: what, ...engineCells(columns, gigaflops(flops, await measure(contestants))) });
  }
  return {
    title: 'Grouped products and attention',
    columns: [{ key: 'kernel', title: 'kernel' }, ...columns],
    rows,
    notes: ['GFLOP/s: median (best). Attention counts the products on and below the diagonal only.'],
  };
}

interface Case {
  readonly what: string;
  readonly flops: number;
  /** Makes the buffers; the result records the kernel once. */
  readonly prepare: (device: WasmDevice) => () => void;
}

function filled(device: WasmDevice, elements: number): ReturnType<WasmDevice['allocate']> {
  const buffer = device.allocate(elements);
  device.write(buffer, noise(elements));
  return buffer;
}

function groupedCases(shape: {
  rows: number;
  groups: number;
  n: number;
  k: number;
  transposeWeights: boolean;
}): Case[] {
  const { rows, groups, n, k } = shape;
  const flops = 2 * rows * n * k;
  const what = `${rows} rows, ${groups} groups, ${n} x ${k}`;
  const prepare = (device: WasmDevice, transposed: boolean): (() => void) => {
    // Sizes as from a router that is not quite even.
    const offsets = Int32Array.from({ length: groups + 1 }, (_, g) => Math.round(rows * (g / groups) ** 1.2));
    const buffers = {
      x: filled(device, rows * k),
      y: filled(device, rows * n),
      weights: filled(device, groups * n * k),
      offsets: device.allocate(groups + 1),
    };
    device.write(buffers.offsets, offsets);
    return () => {
      if (!transposed) device.kernels.groupedMatmul({ ...shape, ...buffers, out: buffers.y });
      else {
        const { x: b, y: a, weights: out } = buffers;
        device.kernels.groupedMatmulTransposed({ a, b, offsets: buffers.offsets, out, groups, rows, m: n, n: k });
      }
    };
  };
  return [
    { what: `groupedMatmul, ${what}`, flops, prepare: (device) => prepare(device, false) },
    { what: `groupedMatmulTransposed, ${what}`, flops, prepare: (device) => prepare(device, true) },
  ];
}

function attentionCases(shape: {
  batch: number;
  sequence: number;
  heads: number;
  keyHeads: number;
  headDim: number;
}): Case[] {
  const { batch, sequence, heads, keyHeads, headDim } = shape;
  const pairs = (batch * heads * sequence * (sequence + 1)) / 2;
  const what = `${batch} x ${sequence}, ${heads}/${keyHeads} heads of ${headDim}`;
  const prepare = (device: WasmDevice, backward: boolean): (() => void) => {
    const queries = batch * sequence * heads * headDim;
    const keys = batch * sequence * keyHeads * headDim;
    const buffers = {
      q: filled(device, queries),
      k: filled(device, keys),
      v: filled(device, keys),
      out: filled(device, queries),
      logSumExp: filled(device, batch * heads * sequence),
      gradient: filled(device, queries),
      gradQ: filled(device, queries),
      gradK: filled(device, keys),
      gradV: filled(device, keys),
    };
    const all = { ...shape, ...buffers, valueDim: headDim, scale: headDim ** -0.5 };
    device.kernels.attention(all);
    return () => (backward ? device.kernels.attentionBackward(all) : device.kernels.attention(all));
  };
  return [
    { what: `attention, ${what}`, flops: 4 * pairs * headDim, prepare: (device) => prepare(device, false) },
    { what: `attentionBackward, ${what}`, flops: 10 * pairs * headDim, prepare: (device) => prepare(device, true) },
  ];
}

export const matmul: Bench = {
  about: 'matrix products, grouped products and attention, beside other engines',
  async run(report) {
    report('matmul-products', await products());
    const devices: Devices = {
      one: await createWasmDevice({ threads: 1 }),
      two: await createWasmDevice({ threads: 2 }),
      plain: await createWasmDevice({ threads: 1, relaxedSimd: false }),
    };
    report('matmul-own', await ownKernels(devices));
    for (const device of Object.values(devices)) await device.dispose();
  },
};
