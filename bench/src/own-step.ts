/**
 * The training step of a Qwen3-MoE decoder with LPR, in Node or a page: forward, backward, clipping, AdamW, and reading
 * what a step reports.
 */
import { createDecoder, type DecoderConfig, parseDecoderConfig } from '@lpr/model';
import { type Device, philox4x32, RandomKey } from '@lpr/tensor';
import type { ExpertExchange } from '@lpr/train';
import { makeSchedule, Trainer } from '@lpr/train/browser';

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

/** Steps that were timed together. */
export interface Turn {
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

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
};
