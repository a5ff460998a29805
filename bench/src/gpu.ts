/**
 * The GPU device: what it costs the host, matrix products beside the plain kernel that a user of gpu.js would write,
 * attention, tokens/s of training steps, and PyTorch on the same card when a program is given. With `--software`, toy
 * sizes on SwiftShader show that it works; with `--page`, a browser measures its own GPU.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Table } from '@lpr/results';
import { readResult } from '@lpr/results/node';
import { createGpuDevice, type GpuDevice } from '@lpr/tensor';
import type { Bench, BenchOptions } from './bench.ts';
import { attentionTable } from './gpu-attention.ts';
import { hostTable } from './gpu-host.ts';
import { productsTable } from './gpu-products.ts';
import { stepsTable } from './gpu-steps.ts';
import { type Runner, type Size, SIZES } from './own-step.ts';
import { askTorch, torch } from './step.ts';

/** Debian's package chromium-common puts it there. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

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

/** PyTorch's square product, where a program is given. */
function othersProducts({ torch: program, python }: BenchOptions): ((side: number) => Promise<number>) | undefined {
  if (program === undefined) return undefined;
  return async (side) => (await askTorch([python, program], { device: 'cuda', matmul: side }, ['gflops']))[0]!;
}

/** PyTorch's steps, where a program is given, at its own batch. */
function rivalsOf({ torch: program, python }: BenchOptions) {
  return (name: string, { batch }: Size): readonly Runner[] =>
    program === undefined || batch !== SIZES[name]?.batch
      ? []
      : ['official', 'grouped'].map((experts) => torch(program, python, { config: name, experts, device: 'cuda' }));
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
    '--software: toy sizes without a GPU; --torch FILE: beside PyTorch; --page: in a browser',
  async run(report, options) {
    if (options.page) {
      // Vite is for this alone.
      const { servePage } = await import('./gpu-page.ts');
      const { url } = await servePage();
      console.log(`The page that measures the GPU of a browser is at ${url}; Ctrl+C ends it.`);
      return;
    }
    const parts = partsOf(options.only);
    if (parts.has('host')) report('gpu-host', await hostTable());
    if (options.software && existsSync(SWIFTSHADER)) process.env['VK_DRIVER_FILES'] ??= SWIFTSHADER;
    const open = (): Promise<GpuDevice> => createGpuDevice({ allowSoftware: options.software });
    const onCard = (['products', 'attention', 'steps'] as const).filter((part) => parts.has(part));
    const device = onCard.length === 0 ? 'not asked for' : await tryToOpen(open);
    let steps: Table | null = null;
    if (typeof device !== 'string') {
      const on = (table: Table): Table => ({ ...table, notes: [`On ${device.description}.`, ...table.notes] });
      if (parts.has('products'))
        report('gpu-products', on(await productsTable(device, options.software, othersProducts(options))));
      if (parts.has('attention')) report('gpu-attention', on(await attentionTable(device, options.software)));
      await device.dispose();
      if (parts.has('steps'))
        report('gpu-steps', (steps = on(await stepsTable(open, options.software, rivalsOf(options)))));
    } else if (onCard.length > 0) {
      const notes = [device, '`--software` runs toy sizes on SwiftShader.'];
      const columns = [{ key: 'what', title: 'left out' }];
      report('gpu-left-out', { title: 'What needs a GPU', columns, rows: onCard.map((what) => ({ what })), notes });
    }
    if (parts.has('pytorch')) report('gpu-pytorch', await pytorchTable(options.software ? null : steps));
  },
};
