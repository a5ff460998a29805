/**
 * Training on several ranks of one machine: the same batch shared out (strong scaling), and a batch each (weak
 * scaling), with gradients added up in order and by MPI_Allreduce.
 */
import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Bench } from './bench.ts';
import { median, type Size, SIZES } from './step.ts';

/** What rank 0 prints. */
export interface RankReport {
  /** Of a step. */
  readonly seconds: number;
  /** Bytes that rank 0 sends a step. */
  readonly sent: number;
  readonly threads: number;
  readonly loss: number;
  readonly library: string;
}

/** A micro-batch has two sequences. */
export const RANK_SIZE: Size = { ...SIZES['S']!, batch: 2, steps: 4 };

const ROUNDS = 2;
const RANKS = [1, 2, 4];
/** Micro-batches of a step in strong scaling. */
const SHARED = 4;

const LAUNCHERS = [['mpiexec.hydra'], ['mpirun.openmpi', '--oversubscribe', '--bind-to', 'none'], ['mpirun']];

interface Case {
  readonly scaling: string;
  readonly ranks: number;
  readonly reduction: string;
  readonly microBatches: number;
}

function cases(): Case[] {
  return ['strong', 'weak'].flatMap((scaling) =>
    RANKS.flatMap((ranks) => {
      const microBatches = scaling === 'strong' ? SHARED : ranks;
      const reductions = ranks === 1 ? ['none'] : ['ordered', 'allReduce'];
      return reductions.map((reduction) => ({ scaling, ranks, reduction, microBatches }));
    }),
  );
}

async function measure(
  [command, ...words]: readonly string[],
  { ranks, microBatches, reduction }: Case,
): Promise<RankReport> {
  const program = fileURLToPath(new URL('./rank-process.ts', import.meta.url));
  const node = [process.execPath, '--import', 'tsx', program, String(microBatches), reduction];
  const all = ranks === 1 ? node : [command!, ...words, '-n', String(ranks), ...node];
  const { stdout } = await promisify(execFile)(all[0]!, all.slice(1));
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as RankReport;
}

export const ranks: Bench = {
  about: 'the training step of a decoder with LPR on 1, 2 and 4 ranks of this machine; needs MPICH or Open MPI',
  async run(report) {
    const launcher = LAUNCHERS.find(([command]) => spawnSync(command!, ['--version']).status === 0);
    if (launcher === undefined) {
      console.log('\nranks: left out, since no MPI is installed (Debian: mpich, or openmpi-bin)');
      return;
    }
    const all = cases();
    const turns = new Map<Case, RankReport[]>(all.map((each) => [each, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const each of round % 2 === 0 ? all : all.toReversed()) {
        turns.get(each)!.push(await measure(launcher, each));
      }
    }
    const tokens = RANK_SIZE.batch * RANK_SIZE.sequence;
    const speedOf = (each: Case): number =>
      median(turns.get(each)!.map(({ seconds }) => (each.microBatches * tokens) / seconds));
    const [{ library }] = turns.get(all.at(-1)!) as [RankReport];
    report('ranks', {
      title: `Training on several ranks (Qwen3-MoE with LPR, size S, micro-batches of ${tokens} tokens; ${library})`,
      columns: [
        { key: 'scaling', title: 'scaling' },
        { key: 'ranks', title: 'ranks', decimals: 0 },
        { key: 'threads', title: 'threads a rank', decimals: 0 },
        { key: 'microBatches', title: 'micro-batches a step', decimals: 0 },
        { key: 'reduction', title: 'reduction' },
        { key: 'speed', title: 'tokens/s', decimals: 0 },
        { key: 'ratio', title: 'to one rank', decimals: 2 },
        { key: 'sent', title: 'MB sent a step and rank', decimals: 1 },
        { key: 'loss', title: 'loss', decimals: 7 },
      ],
      rows: all.map((each) => {
        const { scaling, ranks, microBatches, reduction } = each;
        const one = all.find((other) => other.scaling === scaling && other.ranks === 1)!;
        const [{ threads, sent, loss }] = turns.get(each) as [RankReport];
        const speed = speedOf(each);
        return {
          scaling,
          ranks,
          threads,
          microBatches,
          reduction,
          speed,
          ratio: speed / speedOf(one),
          sent: sent / 1e6,
          loss,
        };
      }),
      notes: ['Weak scaling has other batches on each number of ranks, and so other losses.'],
    });
  },
};
