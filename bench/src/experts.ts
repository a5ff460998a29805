/**
 * What many experts cost: the training step of size S with ever more of them at the same number of active ones, so that
 * the arithmetic stays and the memory that a step reads and writes grows.
 */
import { createWasmDevice } from '@lpr/tensor';
import type { Bench } from './bench.ts';
import { median, ours, type Runner, SIZES } from './own-step.ts';

const EXPERTS = [8, 32, 128, 512, 1024];
const THREADS = 2;
const ROUNDS = 3;
/** 2,048 tokens a step. */
const BATCH = 16;

export const experts: Bench = {
  about: 'the training step of a decoder with 8 to 1,024 experts, 4 of them active, in tokens/s',
  async run(report) {
    const runners: Runner[] = [];
    for (const count of EXPERTS) {
      const size = { ...SIZES['S']!, experts: count, batch: BATCH, steps: 4 };
      runners.push(await ours(String(count), await createWasmDevice({ threads: THREADS }), size));
    }
    const turns = new Map<Runner, number[]>(runners.map((runner) => [runner, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const runner of round % 2 === 0 ? runners : runners.toReversed()) {
        turns.get(runner)!.push((await runner.turn()).tokensPerSecond);
      }
    }
    for (const runner of runners) await runner.close();
    const speeds = runners.map((runner) => median(turns.get(runner)!));
    report('experts', {
      title: 'Training step of Qwen3-MoE with LPR, size S, 2,048 tokens, 4 active experts, two threads',
      columns: [
        { key: 'experts', title: 'experts', decimals: 0 },
        { key: 'speed', title: 'tokens/s', decimals: 0 },
        { key: 'slower', title: 'slower than the first by', decimals: 2 },
      ],
      rows: EXPERTS.map((count, i) => ({ experts: count, speed: speeds[i]!, slower: speeds[0]! / speeds[i]! })),
      notes: [],
    });
  },
};
