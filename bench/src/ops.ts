/**
 * Ops of a training step other than products: beside other engines, beside a copy of the same memory, and their fixed
 * cost.
 */
import type { Table } from '@lpr/results';
import { createWasmDevice, type WasmDevice } from '@lpr/tensor';
import type { Bench } from './bench.ts';
import { contestTable, type Entry, openOurs, TIMES } from './contest.ts';
import { type Contestant, measure } from './measure.ts';
import { ours } from './ours.ts';
import { randomInputs } from './work.ts';

const ROUNDS = { rounds: 9 };

const ATTENTION = { kind: 'attention', batch: 4, sequence: 256, heads: 4, headDim: 64 } as const;
const WORK: readonly Entry[] = [
  { what: 'add, 1 element', work: { kind: 'add', count: 1 } },
  { what: 'add, 1M', work: { kind: 'add', count: 1 << 20 } },
  { what: 'silu, 1M', work: { kind: 'silu', count: 1 << 20 } },
  { what: 'softmax, 1024 x 1024', work: { kind: 'softmax', rows: 1024, columns: 1024 } },
  { what: 'layer norm, 4096 x 256', work: { kind: 'layerNorm', rows: 4096, columns: 256 } },
  { what: 'gather 4096 rows of 256', work: { kind: 'gatherRows', rows: 4096, tableRows: 8192, columns: 256 } },
  { what: 'top 8 of 128, 4096 rows', work: { kind: 'topK', rows: 4096, columns: 128, k: 8 } },
  { what: 'attention, 4 x 256, 4 heads of 64', work: { ...ATTENTION, backward: false } },
  { what: 'the same with its gradients', work: { ...ATTENTION, backward: true } },
  { what: 'AdamW, 1M', work: { kind: 'adamW', count: 1 << 20 } },
];

async function beside(): Promise<Table> {
  const own = [await openOurs('ours 1T', { threads: 1 }), await openOurs('ours 2T', { threads: 2 })];
  const notes = ['Median time; in brackets: times that of ours on one thread.'];
  return await contestTable({ title: 'Ops', head: 'op', notes }, WORK, TIMES, own, ROUNDS);
}

type Devices = Readonly<Record<'one' | 'two', WasmDevice>>;

/** 16 MiB a buffer: more than caches of a core hold. */
const LARGE = 1 << 22;

/** Ops on more memory than caches hold: what limits them is memory, so a copy is the measure. */
async function besideCopy(devices: Devices): Promise<Table> {
  const work: readonly (Entry & { readonly buffers: number })[] = [
    { what: 'add', buffers: 3, work: { kind: 'add', count: LARGE } },
    { what: 'silu', buffers: 2, work: { kind: 'silu', count: LARGE } },
    { what: 'softmax over 1024', buffers: 2, work: { kind: 'softmax', rows: LARGE / 1024, columns: 1024 } },
    {
      what: 'layer norm over 256',
      buffers: 2,
      work: { kind: 'layerNorm', rows: LARGE / 256, columns: 256 },
    },
    { what: 'AdamW', buffers: 7, work: { kind: 'adamW', count: LARGE } },
  ];
  const source = new Float32Array(LARGE).fill(1);
  const target = new Float32Array(LARGE).fill(2);
  const hostCopy: Contestant = {
    async run(times) {
      for (let i = 0; i < times; i++) target.set(source);
    },
  };
  const both = [devices.one, devices.two];
  const copies = both.map((device): Contestant => {
    const [x, out] = [device.allocate(LARGE), device.allocate(LARGE)];
    device.write(x, source);
    device.write(out, target);
    const whole = { x, xOffset: 0, xStrides: [1], out, outOffset: 0, outStrides: [1], shape: [LARGE] };
    return {
      async run(times) {
        for (let i = 0; i < times; i++) device.kernels.stridedCopy(whole);
        await device.synchronize();
      },
    };
  });
  const [host, ...own] = (await measure([hostCopy, ...copies], ROUNDS)).map(({ median }) => median);
  const cells = (threads: number, buffers: number, time: number): Table['rows'][number] => ({
    [`${threads}T`]: time,
    [`${threads}T GB/s`]: (4 * buffers * LARGE) / time / 1e6,
    [`${threads}T copies`]: time / own[threads - 1]!,
  });
  const rows: Table['rows'][number][] = [
    { op: 'copy on the host', ...cells(1, 2, host!) },
    { op: 'copy', ...cells(1, 2, own[0]!), ...cells(2, 2, own[1]!) },
  ];
  for (const { what, buffers, work: kind } of work) {
    const inputs = randomInputs(kind);
    const prepared = await Promise.all(both.map(async (device) => await ours(device).prepare(kind, inputs)));
    const [one, two] = await measure(prepared, ROUNDS);
    rows.push({ op: what, ...cells(1, buffers, one!.median), ...cells(2, buffers, two!.median) });
  }
  return {
    title: 'Ops on 4M elements beside a copy of them on as many threads',
    columns: [
      { key: 'op', title: 'op' },
      ...['1T', '2T'].flatMap((threads) => [
        { key: threads, title: threads, format: 'milliseconds' as const },
        { key: `${threads} GB/s`, title: 'GB/s', decimals: 1 },
        { key: `${threads} copies`, title: 'copies', decimals: 2 },
      ]),
    ],
    rows,
    notes: ['GB/s counts what an op must read and write; copies: its time as a multiple of that of the copy.'],
  };
}

/** What one kernel costs when there is nothing to compute, and what waiting for a number costs. */
async function fixedCosts(devices: Devices): Promise<Table> {
  const inPlace = await createWasmDevice({ threads: 0 });
  const three = [inPlace, devices.one, devices.two];
  const buffers = three.map((device) => device.allocate(1));
  const names = ['in place', '1T', '2T'];
  const row = async (what: string, run: (device: WasmDevice, i: number, times: number) => Promise<void>) => {
    const timings = await measure(
      three.map((device, i) => ({ run: async (times: number) => await run(device, i, times) })),
      ROUNDS,
    );
    return { what, ...Object.fromEntries(names.map((name, i) => [name, timings[i]!.median])) };
  };
  const fill = (device: WasmDevice, i: number): void =>
    device.kernels.fill({ out: buffers[i]!, value: 1, count: 1, integer: false });
  const rows = [
    await row('a kernel of one element among many', async (device, i, times) => {
      for (let n = 0; n < times; n++) fill(device, i);
      await device.synchronize();
    }),
    await row('such a kernel and reading its number', async (device, i, times) => {
      for (let n = 0; n < times; n++) {
        fill(device, i);
        await device.read(buffers[i]!);
      }
    }),
  ];
  await inPlace.dispose();
  const columns = names.map((name) => ({ key: name, title: name, format: 'milliseconds' as const }));
  return { title: 'Fixed costs', columns: [{ key: 'what', title: 'what' }, ...columns], rows, notes: [] };
}

export const ops: Bench = {
  about: 'softmax, norms, rows, attention, AdamW, beside other engines and a copy; the cost of a kernel and of a read',
  async run(report) {
    report('ops', await beside());
    const devices: Devices = {
      one: await createWasmDevice({ threads: 1 }),
      two: await createWasmDevice({ threads: 2 }),
    };
    report('ops-copies', await besideCopy(devices));
    report('ops-fixed', await fixedCosts(devices));
    for (const device of Object.values(devices)) await device.dispose();
  },
};
