import { routerMethods } from '@lpr/moe';
import { backward, createWasmDevice, RandomKey, scope, tensor } from '@lpr/tensor';
import { describe, expect, it } from 'vitest';
import {
  countParameters,
  createDecoder,
  decodeSafetensors,
  type Decoder,
  encodeSafetensors,
  exportWeights,
  importWeights,
  predictMemory,
  WeightsError,
} from '../src/index.ts';
import { familyConfig, randomBatch, routerKeys, smallConfig } from './support.ts';

const device = await createWasmDevice({ threads: 2 });

async function lossAndGradients(decoder: Decoder): Promise<{ loss: number; gradients: Map<string, Float32Array> }> {
  return scope(decoder.device, async () => {
    const batch = randomBatch(decoder.device, decoder.config, 2, 9);
    const { totalLoss } = decoder.forward(batch, { training: true, noise: RandomKey.fromSeed(3) });
    backward(totalLoss);
    const gradients = new Map<string, Float32Array>();
    for (const [name, parameter] of decoder.parameters) {
      if (parameter.grad === null) continue;
      gradients.set(name, await parameter.grad.dataF32());
      parameter.grad.dispose();
      parameter.grad = null;
    }
    return { loss: await totalLoss.item(), gradients };
  });
}

describe('Decoder', () => {
  it.each([
    ['qwen3_moe', {}],
    ['qwen3_moe', { output_router_logits: true, router_aux_loss_scope: 'layer' }],
    ['qwen3_moe', { router_type: 'lpr', lpr_formulation: 'paper' }],
    ['qwen3_moe', { router_type: 'lpr', lpr_formulation: 'official' }],
    ['qwen3_moe', { router_type: 'lpr' }],
    ['mixtral', { router_jitter_noise: 0.1, output_router_logits: true, router_aux_loss_scope: 'sequence' }],
    ['deepseek_v3', { aux_loss_alpha: 0.01, output_router_logits: true }],
    ['deepseek_v3', { router_type: 'lpr' }],
    ['deepseek_v3', { router_type: 'lpr', q_lora_rank: null, attention_bias: true, n_shared_experts: 0 }],
  ] as const)(
    '%s %j: the same seed gives the same step bit by bit, another seed another, and nothing stays behind',
    async (family, changes) => {
      const config = familyConfig(family, changes);
      const before = device.memory.liveBuffers;
      const results: Awaited<ReturnType<typeof lossAndGradients>>[] = [];
      for (const seed of [1, 1, 2]) {
        const decoder = createDecoder(device, config, { seed });
        results.push(await lossAndGradients(decoder));
        decoder.dispose();
      }
      const [first, second, third] = results;
      expect(Number.isFinite(first!.loss)).toBe(true);
      expect(second).toEqual(first);
      expect(third!.loss).not.toBe(first!.loss);
      expect(device.memory.liveBuffers).toBe(before);
    },
  );

  it('with a tied head computes as one whose head is a copy of the embedding, and learns from both uses', async () => {
    const tied = createDecoder(device, smallConfig({ tie_word_embeddings: true }), { seed: 5 });
    const weights = await exportWeights(tied);
    const embedding = weights.get('model.embed_tokens.weight')!;
    expect(weights.has('lm_head.weight')).toBe(false);
    const parted = createDecoder(device, smallConfig(), { seed: 6 });
    importWeights(parted, new Map([...weights, ['lm_head.weight', embedding]]));
    const [ours, theirs] = [await lossAndGradients(tied), await lossAndGradients(parted)];
    expect(ours.loss).toBe(theirs.loss);
    const both = (i: number): number =>
      theirs.gradients.get('model.embed_tokens.weight')![i]! + theirs.gradients.get('lm_head.weight')![i]!;
    ours.gradients.get('model.embed_tokens.weight')!.forEach((value, i) => expect(value).toBeCloseTo(both(i), 6));
    expect(countParameters(tied.config).total).toBe(countParameters(parted.config).total - embedding.data.length);
    expect(countParameters(tied.config).totalWithoutEmbeddings).toBe(
      countParameters(parted.config).totalWithoutEmbeddings,
    );
    const step = { batch: 2, sequence: 9, training: true } as const;
    expect(predictMemory(tied.config, step).total).toBeLessThan(predictMemory(parted.config, step).total);
    tied.dispose();
    parted.dispose();
  });

  it('starts with the deviation that the config names', async () => {
    const wide = createDecoder(device, smallConfig({ initializer_range: 0.5 }), { seed: 5 });
    const usual = createDecoder(device, smallConfig(), { seed: 5 });
    for (const [name, weight] of wide.parameters) {
      if (weight.shape.length === 1) continue;
      const [a, b] = [await weight.data(), await usual.parameters.get(name)!.data()];
      expect(Math.abs(a[3]! / b[3]! - 25), name).toBeLessThan(1e-4);
    }
    wide.dispose();
    usual.dispose();
  });

  it.each([
    ['qwen3_moe', { attention_bias: true, hidden_size: 64 }],
    ['mixtral', { hidden_size: 64 }],
    ['deepseek_v3', { hidden_size: 64, attention_bias: true }],
  ] as const)('%s %j starts as in transformers: matrices N(0, 0.02), norms 1, biases 0', async (family, changes) => {
    const decoder = createDecoder(device, familyConfig(family, changes), { seed: 11 });
    for (const [name, weight] of decoder.parameters) {
      const values = await weight.dataF32();
      const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
      const std = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
      if (weight.shape.length === 1) {
        expect(new Set(values), name).toEqual(new Set([name.endsWith('bias') ? 0 : 1]));
      } else {
        // Five standard errors of a mean and of a standard deviation.
        expect(Math.abs(mean), name).toBeLessThan((5 * 0.02) / Math.sqrt(values.length));
        expect(Math.abs(std / 0.02 - 1), name).toBeLessThan(5 / Math.sqrt(2 * values.length));
      }
    }
    decoder.dispose();
  });

  it('starts with a loss near that of guessing', async () => {
    const decoder = createDecoder(device, smallConfig(), { seed: 4 });
    const { loss } = await lossAndGradients(decoder);
    expect(Math.abs(loss - Math.log(61))).toBeLessThan(0.1);
    decoder.dispose();
  });

  it('in evaluation, has no terms besides cross entropy and repeats itself', async () => {
    const decoder = createDecoder(device, smallConfig({ router_type: 'lpr', lpr_formulation: 'paper' }), { seed: 4 });
    await scope(
      device,
      async () => {
        const batch = randomBatch(device, decoder.config, 2, 9);
        const outputs = [decoder.forward(batch, { training: false }), decoder.forward(batch, { training: false })];
        expect(outputs[0]!.losses).toEqual([]);
        expect(await outputs[0]!.totalLoss.item()).toBe(await outputs[0]!.taskLoss.item());
        expect(await outputs[1]!.taskLoss.item()).toBe(await outputs[0]!.taskLoss.item());
      },
      { gradients: false },
    );
    decoder.dispose();
  });

  it.each(['qwen3_moe', 'mixtral', 'deepseek_v3'] as const)(
    '%s lets no later token change an earlier one',
    async (family) => {
      const decoder = createDecoder(device, familyConfig(family, { router_type: 'lpr' }), { seed: 5 });
      const ids = Int32Array.from({ length: 12 }, (_, i) => (i * 5) % 61);
      const changed = ids.with(11, 3).with(10, 2);
      const [a, b] = await scope(device, () =>
        Promise.all([ids, changed].map((input) => decoder.logits(tensor(device, input, [1, 12])).data())),
      );
      expect(b!.slice(0, 10 * 61)).toEqual(a!.slice(0, 10 * 61));
      expect(b!.slice(10 * 61)).not.toEqual(a!.slice(10 * 61));
      decoder.dispose();
    },
  );

  it.each(Object.values(routerMethods).filter(({ defaults }) => defaults.kind !== 'latentPrototype'))(
    'trains with any routing method: $defaults.kind',
    async ({ defaults }) => {
      const before = device.memory.liveBuffers;
      const decoder = createDecoder(device, familyConfig('deepseek_v3', routerKeys(defaults, 2)), { seed: 12 });
      expect(decoder.routers.map(({ kind }) => kind)).toEqual([defaults.kind, defaults.kind]);
      await scope(device, async () => {
        const batch = randomBatch(device, decoder.config, 2, 9);
        const output = decoder.forward(batch, { training: true, noise: RandomKey.fromSeed(3) });
        backward(output.totalLoss);
        decoder.afterStep(output.statistics);
        expect(Number.isFinite(await output.totalLoss.item())).toBe(true);
        for (const { parameters } of decoder.routers) {
          for (const [name, { grad }] of parameters) expect(grad === null, name).toBe(false);
        }
      });
      decoder.parameters.forEach(({ grad }) => grad?.dispose());
      decoder.dispose();
      expect(device.memory.liveBuffers).toBe(before);
    },
  );

  it('jitters what router and experts read, in training alone, by the fraction that the config says', async () => {
    const changed = createDecoder(device, familyConfig('mixtral', { router_jitter_noise: 0.2 }), { seed: 6 });
    const plain = createDecoder(device, familyConfig('mixtral'), { seed: 6 });
    await scope(device, async () => {
      const batch = randomBatch(device, plain.config, 2, 9);
      const logitsOf = async (decoder: Decoder, training: boolean): Promise<Float32Array> => {
        const noise = RandomKey.fromSeed(1);
        return await decoder.forward(batch, { training, noise }).routings[0]!.scores.dataF32();
      };
      const expected = await logitsOf(plain, true);
      expect(await logitsOf(changed, false)).toEqual(expected);
      const jittered = await logitsOf(changed, true);
      const ratio = Math.hypot(...jittered.map((x, i) => x - expected[i]!)) / Math.hypot(...expected);
      // Uniform numbers from -0.2 to 0.2 have the standard deviation 0.2 / sqrt(3).
      expect(Math.abs(ratio / (0.2 / Math.sqrt(3)) - 1)).toBeLessThan(0.25);
      expect(() => changed.forward(batch, { training: true })).toThrow('give context.noise, a RandomKey');
    });
    [changed, plain].forEach((decoder) => decoder.dispose());
  });

  it.each(['qwen3_moe', 'deepseek_v3'] as const)(
    '%s keeps its logits small where the z-loss is asked for',
    async (family) => {
      const decoder = createDecoder(device, familyConfig(family, { router_z_loss_coef: 0.25 }), { seed: 5 });
      await scope(device, async () => {
        const output = decoder.forward(randomBatch(device, decoder.config, 2, 9), { training: true });
        const terms = output.losses.filter(({ name }) => name === 'z');
        expect(terms.map(({ layer, weight }) => [layer, weight])).toEqual(
          decoder.moeLayers.map((layer) => [layer, 0.25]),
        );
        let added = 0;
        for (const [i, { value }] of terms.entries()) {
          const logits = await output.routings[i]!.logits!.data();
          const rows = Array.from({ length: 18 }, (_, t) => Array.from(logits.slice(6 * t, 6 * (t + 1)), Math.exp));
          const squares = rows.map((row) => Math.log(row.reduce((a, b) => a + b)) ** 2);
          expect(await value.item()).toBeCloseTo(squares.reduce((a, b) => a + b) / 18, 4);
          added += 0.25 * (await value.item());
        }
        const others = output.losses.filter(({ name }) => name !== 'z');
        for (const { value, weight } of others) added += weight * (await value.item());
        expect(await output.totalLoss.item()).toBeCloseTo((await output.taskLoss.item()) + added, 4);
      });
      decoder.dispose();
    },
  );

  it('says what is wrong with a batch', () => {
    const decoder = createDecoder(device, smallConfig(), { seed: 0 });
    scope(device, () => {
      expect(() => decoder.logits(tensor(device, new Int32Array(40), [1, 40]))).toThrow(
        'a sequence of 1 to 32 (max_position_embeddings), got [1, 40]',
      );
      const inputIds = tensor(device, new Int32Array(8), [2, 4]);
      const labels = tensor(device, new Int32Array(6), [2, 3]);
      expect(() => decoder.forward({ inputIds, labels }, { training: true })).toThrow(
        'inputIds [2, 4] and labels [2, 3]',
      );
      expect(() => decoder.afterStep([])).toThrow('got the statistics of 0 layers, expected 2');
    });
    decoder.dispose();
  });

  it('attributes the time of forward and backward to its parts', async () => {
    const decoder = createDecoder(device, smallConfig({ router_type: 'lpr' }), { seed: 0 });
    await device.profile.start();
    await lossAndGradients(decoder);
    const { labels, busy } = await device.profile.stop();
    for (const part of ['embedding', 'norm', 'attention', 'mlp', 'router', 'experts', 'head']) {
      expect(labels[part], part).toBeGreaterThan(0);
    }
    const named = Object.entries(labels).reduce((sum, [label, time]) => (label === '' ? sum : sum + time), 0);
    expect(named / busy).toBeGreaterThan(0.8);
    decoder.dispose();
  });
});

describe('weights', () => {
  const config = smallConfig({ router_type: 'lpr', lpr_formulation: 'official' });

  it('survive a file, in the names of Hugging Face', async () => {
    const source = createDecoder(device, config, { seed: 1 });
    const target = createDecoder(device, config, { seed: 2 });
    const exported = await exportWeights(source);
    expect(exported.get('model.layers.0.mlp.gate_proj.weight')!.shape).toEqual([20, 24]);
    expect(exported.get('model.layers.1.mlp.experts.5.down_proj.weight')!.shape).toEqual([24, 12]);
    expect(exported.get('model.layers.2.mlp.gate.ema_sums')!.shape).toEqual([6, 16]);
    importWeights(target, decodeSafetensors(encodeSafetensors(exported)));
    expect(await exportWeights(target)).toEqual(exported);
    expect(await lossAndGradients(target)).toEqual(await lossAndGradients(source));
    source.dispose();
    target.dispose();
  });

  it('are read from stacked experts too', async () => {
    const source = createDecoder(device, config, { seed: 1 });
    const target = createDecoder(device, config, { seed: 2 });
    const stacked = new Map<string, { shape: readonly number[]; data: Float32Array }>();
    for (const [name, x] of [...source.parameters, ...source.buffers]) {
      stacked.set(name, { shape: x.shape, data: await x.dataF32() });
    }
    importWeights(target, stacked);
    expect(await exportWeights(target)).toEqual(await exportWeights(source));
    source.dispose();
    target.dispose();
  });

  it('that do not fit are all listed, and nothing is overwritten', async () => {
    const decoder = createDecoder(device, config, { seed: 1 });
    const before = await exportWeights(decoder);
    const wrong = new Map<string, { shape: readonly number[]; data: Float32Array }>(before);
    wrong.delete('model.norm.weight');
    wrong.set('model.norm.bias', { shape: [24], data: new Float32Array(24) });
    wrong.set('lm_head.weight', { shape: [24, 61], data: new Float32Array(24 * 61) });
    expect(() => importWeights(decoder, wrong)).toThrow(WeightsError);
    expect(() => importWeights(decoder, wrong)).toThrow(
      'weights do not fit the decoder (3 names):\nmodel.norm.weight is missing\nlm_head.weight must be [61, 24], got [24, 61]\nmodel.norm.bias is unknown',
    );
    expect(await exportWeights(decoder)).toEqual(before);
    decoder.dispose();
  });
});
