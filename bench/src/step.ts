/**
 * The training step of a Qwen3-MoE decoder with LPR: forward, backward, clipping, AdamW, and reading what a step reports; beside
 * a PyTorch program when one is given.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createDecoder, parseDecoderConfig } from '@lpr/model';
import { createWasmDevice, RandomKey, randomUniform, scope } from '@lpr/tensor';
import { makeSchedule, Trainer } from '@lpr/train';
import type { Bench, BenchOptions } from './bench.ts';

const ROUNDS = 2;

interface Size {
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
const SIZES: Readonly<Record<string, Size>> = {
  S: { ...shared, hidden: 128, heads: 4, experts: 32, topK: 4, vocabulary: 4096, steps: 8 },
  M: { ...shared, hidden: 256, layers: 6, heads: 8, experts: 128, topK: 8, vocabulary: 8192, steps: 3 },
};

interface Turn {
  readonly tokensPerSecond: number;
  readonly firstLoss: number;
}

/** Somebody who trains; each turn is some steps. */
interface Runner {
  readonly name: string;
  turn(): Promise<Turn>;
  close(): Promise<void>;
}

/** Steps on random tokens by the trainer that runs use. */
async function ours(size: Size, threads: number): Promise<Runner> {
  const device = await createWasmDevice({ threads });
  const config = parseDecoderConfig({
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
  const decoder = createDecoder(device, config, { seed: 0 });
  const { batch, sequence, steps } = size;
  const key = RandomKey.fromSeed(1);
  const drawn = await scope(device, () => randomUniform(device, [8, batch * sequence + 1], key).data());
  const ids = Int32Array.from(drawn, (value) => value * size.vocabulary);
  const trainer = new Trainer({
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
    seed: 0,
    learningRate: 1e-3,
    schedule: makeSchedule({ kind: 'constant', warmup: 0, minRatio: 0 }, 1000),
  });
  const { totalLoss: firstLoss } = await trainer.recordStep();
  return {
    name: `ours ${threads}T`,
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

/** One process a turn; see the README for what the program is given and must print. */
function torch(program: string, python: string, config: string, experts: string, threads: number): Runner {
  const words = [program, '--config', config, '--experts', experts, '--threads', String(threads)];
  return {
    name: `PyTorch ${experts} ${threads}T`,
    async turn() {
      const { stdout } = await promisify(execFile)(python, [...words, '--steps', String(SIZES[config]!.steps)]);
      const line = stdout.trim().split('\n').at(-1)!;
      const { tokens_per_s: tokensPerSecond, first_loss: firstLoss } = JSON.parse(line) as Record<string, unknown>;
      if (typeof tokensPerSecond !== 'number' || typeof firstLoss !== 'number') {
        throw new Error(`${program} must print JSON with the numbers tokens_per_s and first_loss, got: ${line}`);
      }
      return { tokensPerSecond, firstLoss };
    },
    async close() {},
  };
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
};

async function compare(config: string, { torch: program, python }: BenchOptions): Promise<(string | null)[][]> {
  const size = SIZES[config]!;
  const threads = [1, 2];
  const runners: Runner[] = [];
  for (const count of threads) {
    runners.push(await ours(size, count));
    if (program === undefined) continue;
    for (const experts of ['official', 'grouped']) runners.push(torch(program, python, config, experts, count));
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
    return [
      runner.name,
      speeds[i]!.toFixed(0),
      all.map(({ tokensPerSecond }) => tokensPerSecond.toFixed(0)).join(' '),
      i % perThreads === 0 ? null : (rival / speeds[i]!).toFixed(2),
      all[0]!.firstLoss.toFixed(3),
    ];
  });
  for (const runner of runners) await runner.close();
  return rows;
}

export const step: Bench = {
  about: 'the training step of a decoder with LPR, in tokens/s; --torch FILE runs a PyTorch program beside it',
  async run(report, options) {
    for (const config of Object.keys(SIZES)) {
      report({
        title: `Training step of Qwen3-MoE with LPR (official formulation), size ${config}, 1,024 tokens`,
        columns: ['who', 'tokens/s', 'turns', 'ours is faster by', 'first loss'],
        rows: await compare(config, options),
        notes: ['Losses of the first step differ by initial weights and tokens; they are there to show the same task.'],
      });
    }
  },
};
