/** The training step of a decoder, beside a PyTorch program when one is given. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Table } from '@lpr/results';
import { createWasmDevice } from '@lpr/tensor';
import type { Bench, BenchOptions } from './bench.ts';
import { median, ours, type Runner, SIZES, type Turn } from './own-step.ts';

const ROUNDS = 2;

/** What a PyTorch program is asked to train, in the words of its command line. */
export interface TorchOptions {
  readonly config: string;
  readonly experts: string;
  readonly threads?: number;
  /** The CPU by default. */
  readonly device?: 'cuda';
}

/** One process a turn; see the README for what the program is given and must print. */
export function torch(program: string, python: string, options: TorchOptions): Runner {
  const { experts, threads, device } = options;
  return {
    name: ['PyTorch', experts, threads === undefined ? device : `${threads}T`].join(' '),
    async turn() {
      const [tokensPerSecond, firstLoss] = await askTorch(
        [python, program],
        { ...options, steps: SIZES[options.config]!.steps },
        ['tokens_per_s', 'first_loss'],
      );
      return { tokensPerSecond: tokensPerSecond!, firstLoss: firstLoss! };
    },
    async close() {},
  };
}

/** Numbers from the line of JSON that a PyTorch program prints last. */
export async function askTorch(
  [python, program]: readonly [string, string],
  options: object,
  names: readonly string[],
): Promise<number[]> {
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { stdout } = await promisify(execFile)(python, [program, ...words]);
  const line = stdout.trim().split('\n').at(-1)!;
  const numbers = JSON.parse(line) as Record<string, unknown>;
  return names.map((name) => {
    const value = numbers[name];
    if (typeof value === 'number') return value;
    throw new Error(`${program} must print JSON with the numbers ${names.join(' and ')}, got: ${line}`);
  });
}

async function compare(config: string, { torch: program, python }: BenchOptions): Promise<Table['rows']> {
  const size = SIZES[config]!;
  const threads = [1, 2];
  const runners: Runner[] = [];
  for (const count of threads) {
    runners.push(await ours(`ours ${count}T`, await createWasmDevice({ threads: count }), size));
    if (program === undefined) continue;
    for (const experts of ['official', 'grouped'])
      runners.push(torch(program, python, { config, experts, threads: count }));
  }
  const turns = new Map<Runner, Turn[]>(runners.map((runner) => [runner, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const runner of round % 2 === 0 ? runners : runners.toReversed()) turns.get(runner)!.push(await runner.turn());
  }
  const perThreads = runners.length / threads.length;
  const speeds = runners.map((runner) => median(turns.get(runner)!.map(({ tokensPerSecond }) => tokensPerSecond)));
  const rows = runners.map((runner, i) => {
    const rival = speeds[i - (i % perThreads)]!;
    const all = turns.get(runner)!;
    return {
      who: runner.name,
      speed: speeds[i]!,
      ...Object.fromEntries(all.map(({ tokensPerSecond }, round) => [turnKey(round), tokensPerSecond])),
      ratio: i % perThreads === 0 ? null : rival / speeds[i]!,
      firstLoss: all[0]!.firstLoss,
    };
  });
  for (const runner of runners) await runner.close();
  return rows;
}

const turnKey = (round: number): string => `turn ${round + 1}`;

export const step: Bench = {
  about: 'the training step of a decoder with LPR, in tokens/s; --torch FILE runs a PyTorch program beside it',
  async run(report, options) {
    for (const config of Object.keys(SIZES)) {
      report(`step-${config}`, {
        title: `Training step of Qwen3-MoE with LPR (official formulation), size ${config}, 1,024 tokens`,
        columns: [
          { key: 'who', title: 'who' },
          { key: 'speed', title: 'tokens/s', decimals: 0 },
          ...Array.from({ length: ROUNDS }, (_, i) => ({ key: turnKey(i), title: turnKey(i), decimals: 0 })),
          { key: 'ratio', title: 'ours is faster by', decimals: 2 },
          { key: 'firstLoss', title: 'first loss', decimals: 3 },
        ],
        rows: await compare(config, options),
        notes: ['Losses of the first step differ by initial weights and tokens; they are there to show the same task.'],
      });
    }
  },
};
