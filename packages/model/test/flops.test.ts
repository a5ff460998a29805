import { createWasmDevice, scope, tensor } from '@lpr/tensor';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { createDecoder, parseDecoderConfig, predictFlops } from '../src/index.ts';
import { familyConfig, releasedJson } from './support.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());
afterEach(() => {
  vi.restoreAllMocks();
});

describe('predictFlops', () => {
  it.each([
    ['qwen3_moe', { router_type: 'vanilla', mlp_only_layers: [1] }],
    ['qwen3_moe', { router_type: 'lpr' }],
    ['mixtral', { router_type: 'vanilla' }],
    ['mixtral', { expert_latent_dim: 5 }],
    ['deepseek_v3', { router_type: 'dense' }],
    ['deepseek_v3', { router_type: 'lpr', expert_latent_dim: 7 }],
    ['deepseek_v3', { router_type: 'vanilla' }],
    ['deepseek_v3', { router_type: 'lpr' }],
    ['deepseek_v3', { router_type: 'lpr', q_lora_rank: null, n_shared_experts: 0 }],
  ] as const)('of %s %j is what the kernels of a forward pass multiply', async (family, changes) => {
    const config = familyConfig(family, changes);
    const [batch, sequence] = [2, 9];
    const matmul = vi.spyOn(device.kernels, 'matmul');
    const grouped = vi.spyOn(device.kernels, 'groupedMatmul');
    const attention = vi.spyOn(device.kernels, 'attention');
    const decoder = createDecoder(device, config, { seed: 0 });
    await scope(device, () =>
      decoder.logits(tensor(device, new Int32Array(batch * sequence), [batch, sequence])).data(),
    );
    let flops = 0;
    for (const [{ batch: count, m, n, k }] of matmul.mock.calls) flops += 2 * count * m * n * k;
    for (const [{ rows, n, k }] of grouped.mock.calls) flops += 2 * rows * n * k;
    for (const [{ batch: count, heads, headDim, valueDim }] of attention.mock.calls) {
      for (let position = 1; position <= sequence; position++) {
        flops += 2 * count * heads * position * (headDim + valueDim);
      }
    }
    const predicted = predictFlops(config, { sequence });
    expect(predicted.forward * batch * sequence).toBeCloseTo(flops, 3);
    expect(predicted.training).toBe(3 * predicted.forward);
    decoder.dispose();
  });

  it('is about twice the active parameters without the embedding, and grows with the sequence by attention alone', () => {
    const config = parseDecoderConfig(releasedJson);
    const short = predictFlops(config, { sequence: 1 });
    const long = predictFlops(config, { sequence: 1025 });
    expect(short.forward / (2 * (51.13e6 + 151_936 * 1024))).toBeCloseTo(1, 3);
    expect(long.forward - short.forward).toBe(long.attention - short.attention);
    // 512 more keys a query in the mean, 16 heads of 128 channels, 6 layers.
    expect(long.attention - short.attention).toBe(6 * 512 * 2 * 2 * 16 * 128);
  });
});
