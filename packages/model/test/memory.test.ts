/** Predictions of memory against the peak of a device. */
import { backward, createWasmDevice, RandomKey, scope } from '@lpr/tensor';
import { AdamW, MOMENT_TYPES } from '@lpr/tensor/nn';
import { describe, expect, it } from 'vitest';
import { createDecoder, type DecoderConfig, parseDecoderConfig, predictMemory } from '../src/index.ts';
import { methods, randomBatch, releasedJson, routerKeys, smallDeepseekJson } from './support.ts';

describe('predictMemory', () => {
  const medium = {
    ...releasedJson,
    vocab_size: 2048,
    hidden_size: 128,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 32,
    moe_intermediate_size: 64,
    num_experts: 16,
    num_experts_per_tok: 4,
  };

  const mediumDeepseek = {
    ...smallDeepseekJson,
    vocab_size: 2048,
    hidden_size: 128,
    num_hidden_layers: 4,
    max_position_embeddings: 1024,
    q_lora_rank: 96,
    kv_lora_rank: 64,
    qk_nope_head_dim: 32,
    qk_rope_head_dim: 16,
    v_head_dim: 32,
    intermediate_size: 256,
    moe_intermediate_size: 64,
    n_routed_experts: 16,
    num_experts_per_tok: 4,
    n_group: 4,
  };

  const cases: [string, Readonly<Record<string, unknown>>, number, number][] = [
    ['own router, 4 x 128', medium, 4, 128],
    ['LPR, 4 x 128', { ...medium, router_type: 'lpr' }, 4, 128],
    ['dense layers, 2 x 256', { ...medium, mlp_only_layers: [1, 2], intermediate_size: 256 }, 2, 256],
    ['many experts, 1 x 64', { ...medium, num_experts: 64, num_experts_per_tok: 8 }, 1, 64],
    ['latent attention, 4 x 128', mediumDeepseek, 4, 128],
    ['latent experts, 4 x 128', { ...medium, expert_latent_dim: 32 }, 4, 128],
    ['wide latent experts, 2 x 256', { ...mediumDeepseek, expert_latent_dim: 128 }, 2, 256],
    ['no experts, 4 x 128', { ...medium, router_type: 'dense' }, 4, 128],
    ['latent attention without a latent of queries, 2 x 256', { ...mediumDeepseek, q_lora_rank: null }, 2, 256],
    ["Qwen3's vocabulary, 2 x 256", { ...medium, vocab_size: 151_936, hidden_size: 48, num_hidden_layers: 2 }, 2, 256],
    [
      "Qwen3's vocabulary, 1 x 96",
      { ...mediumDeepseek, vocab_size: 151_936, hidden_size: 32, num_hidden_layers: 2 },
      1,
      96,
    ],
  ];
  it.each(cases)('is within a tenth of what an evaluation takes: %s', async (_, json, batch, sequence) => {
    const config = parseDecoderConfig(json);
    const own = await createWasmDevice({ threads: 1 });
    const decoder = createDecoder(own, config, { seed: 0 });
    await scope(
      own,
      () => decoder.forward(randomBatch(own, config, batch, sequence), { training: false }).taskLoss.item(),
      {
        gradients: false,
      },
    );
    const { peakBytes } = own.memory;
    await own.dispose();
    const { total } = predictMemory(config, { batch, sequence, training: false });
    expect(Math.abs(total / peakBytes - 1)).toBeLessThan(0.1);
  });

  /**
   * The peak of a device over a step of micro-batches, of which all but the first find the gradients of those before;
   * no optimiser.
   */
  async function peakOfStep(
    config: DecoderConfig,
    batch: number,
    sequence: number,
    accumulation: number,
  ): Promise<number> {
    const own = await createWasmDevice({ threads: 1 });
    const decoder = createDecoder(own, config, { seed: 0 });
    for (let microBatch = 0; microBatch < accumulation; microBatch++) {
      await scope(own, async () => {
        const context = { training: true, noise: RandomKey.fromSeed(1) };
        const { totalLoss } = decoder.forward(randomBatch(own, config, batch, sequence), context);
        backward(totalLoss);
        await totalLoss.item();
      });
    }
    const { peakBytes } = own.memory;
    await own.dispose();
    return peakBytes;
  }

  function predicted(config: DecoderConfig, batch: number, sequence: number, accumulation: number): number {
    const { total, optimizer } = predictMemory(config, { batch, sequence, training: true, accumulation });
    return total - optimizer;
  }

  it.each(MOMENT_TYPES)('is what the optimiser takes with moments of %s', async (moments) => {
    const own = await createWasmDevice({ threads: 1 });
    const config = parseDecoderConfig(medium);
    const { parameters } = createDecoder(own, config, { seed: 0 });
    const before = own.memory.liveBytes;
    const optimizer = new AdamW(own, parameters, { moments });
    const taken = own.memory.liveBytes - before;
    // Buffers begin at multiples of some bytes.
    const predicted = predictMemory(config, { batch: 1, sequence: 1, training: true, moments }).optimizer;
    expect(taken).toBeGreaterThanOrEqual(predicted);
    expect(taken).toBeLessThan(predicted + 256 * 2 * parameters.size);
    optimizer.dispose();
    await own.dispose();
  });

  it.each(cases)('is within a tenth of what a step takes: %s', async (_, json, batch, sequence) => {
    const config = parseDecoderConfig(json);
    for (const accumulation of [1, 2]) {
      const peak = await peakOfStep(config, batch, sequence, accumulation);
      expect(Math.abs(predicted(config, batch, sequence, accumulation) / peak - 1)).toBeLessThan(0.1);
    }
  });

  it.each([
    ...methods.map((options) => routerKeys(options, 4, medium.num_experts)),
    { router_type: 'lpr', lpr_formulation: 'paper' },
    { router_type: 'lpr', lpr_formulation: 'official' },
  ])('is within a tenth with every method: %j', async (router) => {
    const config = parseDecoderConfig({ ...medium, ...router });
    const peak = await peakOfStep(config, 2, 128, 2);
    expect(Math.abs(predicted(config, 2, 128, 2) / peak - 1)).toBeLessThan(0.1);
  });
});
