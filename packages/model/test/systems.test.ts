/** Decoders that are no plain mixture: with latent experts, and without experts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backward, createWasmDevice, RandomKey, scope } from '@lpr/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import { countParameters, createDecoder, exportWeights, planDecoder, predictFlops } from '../src/index.ts';
import { loadHuggingFace, saveHuggingFace } from '../src/node.ts';
import { familyConfig, randomBatch } from './support.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

const families = ['qwen3_moe', 'mixtral', 'deepseek_v3'] as const;

describe.each([
  ['latent experts', { expert_latent_dim: 7 }],
  ['no experts', { router_type: 'dense' }],
] as const)('a decoder with %s', (_, changes) => {
  it.each(families)('of %s trains all it has, and is saved and loaded bit by bit', async (family) => {
    const folder = await mkdtemp(join(tmpdir(), 'lpr-systems-'));
    const before = device.memory.liveBuffers;
    const decoder = createDecoder(device, familyConfig(family, changes), { seed: 2 });
    await scope(device, async () => {
      const output = decoder.forward(randomBatch(device, decoder.config, 2, 9), {
        training: true,
        noise: RandomKey.fromSeed(3),
      });
      backward(output.totalLoss);
      decoder.afterStep(output.statistics);
      for (const [name, { grad }] of decoder.parameters) {
        expect(
          (await grad!.data()).some((value) => value !== 0),
          name,
        ).toBe(true);
        grad!.dispose();
      }
    });
    const weights = await exportWeights(decoder);
    await saveHuggingFace(decoder, folder);
    const loaded = await loadHuggingFace(device, folder);
    expect(loaded.config).toMatchObject(decoder.config);
    expect(await exportWeights(loaded)).toEqual(weights);
    [decoder, loaded].forEach((each) => each.dispose());
    await rm(folder, { recursive: true });
    expect(device.memory.liveBuffers).toBe(before);
  });
});

describe('latent experts', () => {
  it('count what all share once, and of the others k of M', () => {
    const [plain, latent] = [{}, { expert_latent_dim: 5 }].map((changes) =>
      countParameters(familyConfig('mixtral', changes)),
    );
    // Two layers of 6 experts, 2 a token: three matrices of 12 x 24, or 12 x 5 beside three shared ones of 5 x 24.
    expect(plain!.total - latent!.total).toBe(2 * 3 * (6 * 12 * 24 - 6 * 12 * 5 - 5 * 24));
    expect(plain!.active - latent!.active).toBe(2 * 3 * (2 * 12 * 24 - 2 * 12 * 5 - 5 * 24));
  });

  it('keep the names of each expert, and have the shared matrices beside them', async () => {
    const decoder = createDecoder(device, familyConfig('mixtral', { expert_latent_dim: 5 }), { seed: 2 });
    const weights = await exportWeights(decoder);
    const block = 'model.layers.1.block_sparse_moe.experts.';
    expect(weights.get(`${block}5.w1.weight`)!.shape).toEqual([12, 5]);
    expect(weights.get(`${block}5.w3.weight`)!.shape).toEqual([12, 5]);
    expect(weights.get(`${block}5.w2.weight`)!.shape).toEqual([5, 12]);
    for (const name of ['gate', 'up']) {
      expect(weights.get(`${block}latent_${name}_proj.weight`)!.shape).toEqual([5, 24]);
    }
    expect(weights.get(`${block}latent_down_proj.weight`)!.shape).toEqual([24, 5]);
    decoder.dispose();
  });
});

describe('a decoder without experts', () => {
  it.each(families)('of %s has the active size and arithmetic of the mixture, but its router', (family) => {
    const [mixture, dense] = [{}, { router_type: 'dense' }].map((changes) => familyConfig(family, changes));
    const router = predictFlops(mixture!, { sequence: 8 }).router;
    expect(predictFlops(dense!, { sequence: 8 }).forward).toBe(
      predictFlops(mixture!, { sequence: 8 }).forward - router,
    );
    const { active, total } = countParameters(dense!);
    // Routers of these families are one matrix.
    expect(active).toBe(countParameters(mixture!).active - router / 2);
    expect(total).toBe(active);
    expect(planDecoder(dense!).layers.every(({ feedForward }) => feedForward.kind === 'dense')).toBe(true);
  });
});
