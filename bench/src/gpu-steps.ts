/** Training steps of two sizes on a GPU, at several batches; in Node or a page. */
import type { Table } from '@lpr/results';
import type { GpuDevice } from '@lpr/tensor';
import { median, ours, type Runner, type Size, SIZES } from './own-step.ts';

const TURNS = 3;

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

/** Tokens/s of our step and of others. */
async function training(
  name: string,
  size: Size,
  open: () => Promise<GpuDevice>,
  rivals: readonly Runner[],
): Promise<Table['rows'][number][]> {
  const device = await open();
  const start = performance.now();
  const own = await ours('ours', device, size);
  const first = performance.now() - start;
  const before = device.statistics.launches;
  const turns = [await own.turn()];
  // A turn is one step more than it times.
  const launches = (device.statistics.launches - before) / (size.steps + 1);
  const runners = [own, ...rivals];
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

/**
 * @param open makes the device of each size
 * @param toy a small size alone, for a GPU that a CPU plays
 * @param rivalsOf who else takes the steps of a size
 */
export async function stepsTable(
  open: () => Promise<GpuDevice>,
  toy: boolean,
  rivalsOf: (name: string, size: Size) => readonly Runner[] = () => [],
): Promise<Table> {
  const rows: Table['rows'][number][] = [];
  if (toy) rows.push(...(await training('toy', TOY, open, [])));
  else {
    for (const [name, batches] of Object.entries(BATCHES)) {
      for (const batch of batches) {
        // Few steps of a large batch are enough.
        const steps = Math.max(3, Math.ceil((SIZES[name]!.steps * SIZES[name]!.batch) / batch));
        const size = { ...SIZES[name]!, batch, steps };
        rows.push(...(await training(name, size, open, rivalsOf(name, size))));
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
