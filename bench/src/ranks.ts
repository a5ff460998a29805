/**
 * Training on several ranks of one machine: the same batch shared out (strong scaling), and a batch each (weak
 * scaling), with gradients added up in order and by MPI_Allreduce, and with some experts each.
 */
import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type RankedStep, rankCost, stepTime } from '@lpr/model';
import type { Table } from '@lpr/results';
import type { Bench } from './bench.ts';
import { configOf, type Size, SIZES } from './own-step.ts';

/** What rank 0 prints. */
export interface RankReport {
  /** Of a step. */
  readonly seconds: number;
  /** Bytes that a rank sends a step. */
  readonly sentGradients: number;
  readonly sentTokens: number;
  /** Rows of the rank with the most over the mean; null where each rank has all experts. */
  readonly load: number | null;
  /** Seconds a step that a rank waits for slower ones; null likewise. */
  readonly imbalance: number | null;
  /** Of the exchanges between these ranks: seconds a message, bytes a second and rank. */
  readonly latency: number;
  readonly bandwidth: number;
  /** Bytes a second from and to the memory of a rank's thread, while all ranks add up numbers. */
  readonly memory: number;
  readonly threads: number;
  readonly loss: number;
  readonly library: string;
}

/** A micro-batch has two sequences. */
export const RANK_SIZE: Size = { ...SIZES['S']!, batch: 2, steps: 4 };

/** The fastest counts: whatever else a machine does makes a step slower, and never faster. */
const ROUNDS = 3;
const RANKS = [1, 2, 4];
/** Micro-batches of a step in strong scaling. */
const SHARED = 4;

const LAUNCHERS = [['mpiexec.hydra'], ['mpirun.openmpi', '--oversubscribe', '--bind-to', 'none'], ['mpirun']];

interface Case {
  readonly scaling: string;
  readonly ranks: number;
  /** How gradients are added up; 'own': in order, and each rank owns some experts. */
  readonly mode: string;
  readonly microBatches: number;
}

function cases(): Case[] {
  return ['strong', 'weak'].flatMap((scaling) =>
    RANKS.flatMap((ranks) => {
      const microBatches = scaling === 'strong' ? SHARED : ranks;
      const modes = ranks === 1 ? ['none'] : ['ordered', 'allReduce', 'own'];
      return modes.map((mode) => ({ scaling, ranks, mode, microBatches }));
    }),
  );
}

async function measure(
  [command, ...words]: readonly string[],
  { ranks, microBatches, mode }: Case,
): Promise<RankReport> {
  const program = fileURLToPath(new URL('./rank-process.ts', import.meta.url));
  const node = [process.execPath, '--import', 'tsx', program, String(microBatches), mode];
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
    const [{ library }] = turns.get(all.at(-1)!) as [RankReport];
    const timed = all.map((each) => {
      const report = turns.get(each)!.reduce((a, b) => (b.seconds < a.seconds ? b : a));
      return { ...each, speed: (each.microBatches * tokens) / report.seconds, report };
    });
    report('ranks', scalingTable(timed, `size S, micro-batches of ${tokens} tokens; ${library}`));
    report('cost', costTable(timed));
  },
};

interface Timed extends Case {
  /** Tokens a second. */
  readonly speed: number;
  /** Of its fastest turn. */
  readonly report: RankReport;
}

const NAMES: Readonly<Record<string, string>> = { none: 'none', own: 'ordered, own experts each' };

function scalingTable(all: readonly Timed[], what: string): Table {
  return {
    title: `Training on several ranks (Qwen3-MoE with LPR, ${what})`,
    columns: [
      { key: 'scaling', title: 'scaling' },
      { key: 'ranks', title: 'ranks', decimals: 0 },
      { key: 'threads', title: 'threads a rank', decimals: 0 },
      { key: 'microBatches', title: 'micro-batches a step', decimals: 0 },
      { key: 'reduction', title: 'reduction' },
      { key: 'speed', title: 'tokens/s', decimals: 0 },
      { key: 'ratio', title: 'to one rank', decimals: 2 },
      { key: 'gradients', title: 'MB of gradients', decimals: 1 },
      { key: 'rows', title: 'MB of tokens', decimals: 1 },
      { key: 'loss', title: 'loss', decimals: 7 },
    ],
    rows: all.map(({ scaling, ranks, mode, microBatches, speed, report }) => ({
      ...{ scaling, ranks, microBatches, speed, reduction: NAMES[mode] ?? mode },
      ratio: speed / all.find((other) => other.scaling === scaling && other.ranks === 1)!.speed,
      threads: report.threads,
      gradients: report.sentGradients / 1e6,
      rows: report.sentTokens / 1e6,
      loss: report.loss,
    })),
    notes: [
      `Of ${ROUNDS} turns the fastest. MB that a rank sends a step. Weak scaling has other batches on each number of ranks, and so other losses.`,
    ],
  };
}

/**
 * The cost model beside what was measured. Its operations a second are those of the faster case of one rank, shared
 * out over the ranks of this machine; its memory and its network are what sums and exchanges of the ranks show.
 */
function costTable(all: readonly Timed[]): Table {
  const config = configOf(RANK_SIZE);
  const { batch, sequence } = RANK_SIZE;
  const memoryOf = ({ report }: Timed): number => report.memory * report.threads;
  const flopsOfMachine = Math.max(
    ...all
      .filter(({ ranks }) => ranks === 1)
      .map((each) => {
        const { microBatches, speed } = each;
        const { flops, moved } = rankCost(config, { ranks: 1, expertParallel: false, microBatches, batch, sequence });
        return flops / ((microBatches * batch * sequence) / speed - moved / memoryOf(each));
      }),
  );
  const rows = all.map((each) => {
    const { scaling, ranks, mode, microBatches, speed, report } = each;
    const stepOf = (count: number, own: number): RankedStep => ({
      ...{ ranks: count, expertParallel: mode === 'own', microBatches: own, batch, sequence },
      reduction: mode === 'allReduce' ? 'allReduce' : 'ordered',
      ...(report.load !== null && { load: report.load }),
    });
    const machine = {
      flops: flopsOfMachine / ranks,
      memory: memoryOf(each),
      ...(ranks === 1 ? { bandwidth: Infinity, latency: 0 } : { bandwidth: report.bandwidth, latency: report.latency }),
    };
    const step = stepOf(ranks, microBatches / ranks);
    const { compute, memory, allToAll, allReduce, total } = stepTime(config, step, machine);
    const cost = rankCost(config, step);
    const measured = (microBatches * batch * sequence) / speed;
    const sent = report.sentGradients + report.sentTokens;
    return {
      ...{ scaling, ranks, reduction: NAMES[mode] ?? mode, load: report.load },
      imbalance: report.imbalance === null ? null : 1000 * report.imbalance,
      ...{ compute: 1000 * compute, memory: 1000 * memory, allToAll: 1000 * allToAll, allReduce: 1000 * allReduce },
      ...{ predicted: 1000 * total, measured: 1000 * measured, ratio: measured / total },
      bytes: sent === 0 ? null : sent / (cost.sentGradients + cost.sentTokens),
    };
  });
  return {
    title: 'The cost model beside what was measured, milliseconds a step',
    columns: [
      { key: 'scaling', title: 'scaling' },
      { key: 'ranks', title: 'ranks', decimals: 0 },
      { key: 'reduction', title: 'reduction' },
      { key: 'load', title: 'load', decimals: 2 },
      { key: 'imbalance', title: 'lost to imbalance', decimals: 0 },
      { key: 'compute', title: 'compute', decimals: 0 },
      { key: 'memory', title: 'memory', decimals: 0 },
      { key: 'allToAll', title: 'all-to-all', decimals: 0 },
      { key: 'allReduce', title: 'all-reduce', decimals: 0 },
      { key: 'predicted', title: 'predicted', decimals: 0 },
      { key: 'measured', title: 'measured', decimals: 0 },
      { key: 'ratio', title: 'measured to predicted', decimals: 2 },
      { key: 'bytes', title: 'bytes to predicted', decimals: 3 },
    ],
    rows,
    notes: [
      'Load and what is lost to imbalance are measured; the load is given to the model. Operations a second are those of the faster case of one rank, shared out over the ranks of the machine; memory and network are what sums and exchanges between the same ranks show.',
    ],
  };
}
