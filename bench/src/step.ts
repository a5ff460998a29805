/**
 * The training step of a Qwen3-MoE decoder with LPR: forward, backward, clipping, AdamW, and reading what a step
 * reports; beside a PyTorch program when one is given.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createDecoder, type DecoderConfig, parseDecoderConfig } from '@lpr/model';
import type { Table } from '@lpr/results';
import { createWasmDevice, type Device, philox4x32, RandomKey } from '@lpr/tensor';
import { type ExpertExchange, makeSchedule, Trainer } from '@lpr/train';
import type { Bench, BenchOptions } from './bench.ts';

const ROUNDS = 2;

export interface Size {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headDim: number;
  readonly experts: number;
  readonly topK: number;
  readonly expertWidth: number;
  readonly vocabulary: number;
  readonly batch: number;
  readonly sequence: number;
  /** Steps that are timed in a turn. */
  readonly steps: number;
}

const shared = { layers: 4, keyHeads: 2, headDim: 32, expertWidth: 64, batch: 8, sequence: 128 };
export const SIZES: Readonly<Record<string, Size>> = {
  S: { ...shared, hidden: 128, heads: 4, experts: 32, topK: 4, vocabulary: 4096, steps: 8 },
  M: { ...shared, hidden: 256, layers: 6, heads: 8, experts: 128, topK: 8, vocabulary: 8192, steps: 3 },
};

interface Turn {
  readonly tokensPerSecond: number;
  readonly firstLoss: number;
}

/** Somebody who trains; each turn is some steps. */
export interface Runner {
  readonly name: string;
  turn(): Promise<Turn>;
  close(): Promise<void>;
}

/** The model of a size. */
export function configOf(size: Size): DecoderConfig {
  return parseDecoderConfig({
    model_type: 'qwen3_moe',
    hidden_size: size.hidden,
    num_hidden_layers: size.layers,
    num_attention_heads: size.heads,
    num_key_value_heads: size.keyHeads,
    head_dim: size.headDim,
    num_experts: size.experts,
    num_experts_per_tok: size.topK,
    moe_intermediate_size: size.expertWidth,
    intermediate_size: 4 * size.hidden,
    vocab_size: size.vocabulary,
    max_position_embeddings: size.sequence,
    router_type: 'lpr',
    lpr_formulation: 'official',
  });
}

/**
 * The trainer that runs use, on random tokens.
 *
 * @param accumulation batches that make up a step
 * @param experts where ranks own some each
 */
export function trainerOf(
  device: Device,
  size: Size,
  accumulation = 1,
  experts: ExpertExchange | null = null,
): Trainer {
  const decoder = createDecoder(device, configOf(size), { seed: 0, experts });
  const { batch, sequence } = size;
  const { low, high } = RandomKey.fromSeed(1);
  const ids = new Int32Array(8 * (batch * sequence + 1));
  for (let i = 0; i < ids.length; i += 4) {
    const block = philox4x32([i / 4, 0, 0, 0], [low, high]).slice(0, ids.length - i);
    ids.set(
      block.map((bits) => (bits >>> 8) * 2 ** -24 * size.vocabulary),
      i,
    );
  }
  return new Trainer({
    decoder,
    stream: {
      batchAt(index) {
        const start = (index % 8) * (batch * sequence + 1);
        const inputIds = ids.slice(start, start + batch * sequence);
        const labels = ids.slice(start + 1, start + 1 + batch * sequence);
        return {
          inputIds,
          labels,
          domains: Array.from({ length: batch }, () => 'random'),
          batch,
          sequenceLength: sequence,
        };
      },
    },
    accumulation,
    seed: 0,
    learningRate: 1e-3,
    schedule: makeSchedule({ kind: 'constant', warmup: 0, minRatio: 0 }, 1000),
  });
}

/** Steps on random tokens; the device goes with it. */
export async function ours(name: string, device: Device, size: Size): Promise<Runner> {
  const { batch, sequence, steps } = size;
  const trainer = trainerOf(device, size);
  const { totalLoss: firstLoss } = await trainer.recordStep();
  return {
    name,
    async turn() {
      await trainer.recordStep();
      const start = performance.now();
      let report = trainer.recordStep();
      for (let i = 1; i < steps; i++) {
        // As training does: the next step is recorded before the report of this one is awaited.
        const next = trainer.recordStep();
        await report;
        report = next;
      }
      await report;
      const seconds = (performance.now() - start) / 1000;
      return { tokensPerSecond: (steps * batch * sequence) / seconds, firstLoss };
    },
    async close() {
      await device.dispose();
    },
  };
}

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

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
};

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
