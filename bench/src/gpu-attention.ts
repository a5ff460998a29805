/** Causal attention on a GPU, forward and backward. */
import type { Table } from '@lpr/results';
import type { GpuDevice } from '@lpr/tensor';
import { measure } from './measure.ts';
import { noise } from './work.ts';

interface Sizes {
  readonly batch: number;
  readonly sequence: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headDim: number;
}

const CARD: readonly Sizes[] = [
  { batch: 8, sequence: 128, heads: 4, keyHeads: 2, headDim: 32 },
  { batch: 16, sequence: 1024, heads: 8, keyHeads: 2, headDim: 32 },
  { batch: 4, sequence: 2048, heads: 16, keyHeads: 4, headDim: 64 },
];
const TOY: readonly Sizes[] = [{ batch: 1, sequence: 64, heads: 2, keyHeads: 1, headDim: 16 }];

export async function attentionTable(device: GpuDevice, software: boolean): Promise<Table> {
  const rows: Table['rows'][number][] = [];
  for (const sizes of software ? TOY : CARD) {
    const { batch, sequence, heads, keyHeads, headDim } = sizes;
    const tokens = batch * sequence;
    const put = (elements: number): ReturnType<GpuDevice['allocate']> => {
      const buffer = device.allocate(elements);
      device.write(buffer, noise(elements));
      return buffer;
    };
    const [queries, keys] = [tokens * heads * headDim, tokens * keyHeads * headDim];
    const shape = { ...sizes, valueDim: headDim, scale: headDim ** -0.5 };
    const given = { q: put(queries), k: put(keys), v: put(keys) };
    const made = { out: device.allocate(queries), logSumExp: device.allocate(tokens * heads) };
    const gradients = { gradQ: device.allocate(queries), gradK: device.allocate(keys), gradV: device.allocate(keys) };
    const gradient = put(queries);
    const timed = (record: () => void): { run(times: number): Promise<void> } => ({
      async run(times) {
        for (let i = 0; i < times; i++) record();
        await device.synchronize();
      },
    });
    const [forward, backward] = await measure(
      [
        timed(() => device.kernels.attention({ ...shape, ...given, ...made })),
        timed(() => device.kernels.attentionBackward({ ...shape, ...given, ...made, ...gradients, gradient })),
      ],
      { rounds: software ? 3 : 9 },
    );
    // Two products over half the scores forward, five backward.
    const flops = 2 * tokens * sequence * heads * headDim;
    rows.push({
      what: `${batch} x ${sequence} positions, ${heads} heads on ${keyHeads} of ${headDim}`,
      forward: flops / forward!.median / 1e6,
      backward: (2.5 * flops) / backward!.median / 1e6,
    });
    for (const buffer of Object.values({ ...given, ...made, ...gradients, gradient })) device.free(buffer);
  }
  return {
    title: 'Causal attention, GFLOP/s',
    columns: [
      { key: 'what', title: 'what' },
      { key: 'forward', title: 'forward', decimals: 1 },
      { key: 'backward', title: 'backward', decimals: 1 },
    ],
    rows,
    notes: [],
  };
}
