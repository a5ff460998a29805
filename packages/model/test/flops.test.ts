import { createWasmDevice, scope, tensor } from '@lpr/tensor';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { countParameters, createDecoder, parseDecoderConfig, predictFlops } from '../src/index.ts';
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
    expect(predicted.withoutHead + predicted.head).toBe(predicted.forward);
    decoder.dispose();
  });

  it('counts the experts that tokens went to, layer by layer, in place of k', () => {
    const config = familyConfig('mixtral');
    const flops = (expertsPerToken?: readonly number[]): number =>
      predictFlops(config, { sequence: 8, ...(expertsPerToken && { expertsPerToken }) }).experts;
    const active = (expertsPerToken?: readonly number[]): number => countParameters(config, expertsPerToken).active;
    // Two layers of 6 experts of three matrices of 12 x 24.
    expect(flops([2, 2])).toBe(flops());
    expect(flops([0.25, 5]) - flops([0, 5])).toBe(0.25 * 2 * 3 * 12 * 24);
    expect(flops([0, 0])).toBe(0);
    expect(active([2, 2])).toBe(active());
    expect(active([6, 6])).toBe(countParameters(config).total);
    expect(active([0.5, 6]) - active([0, 6])).toBe(0.5 * 3 * 12 * 24);
    expect(() => flops([2])).toThrow(
      'expertsPerToken: got 1 numbers, expected one for each of the 2 layers with experts',
    );
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
