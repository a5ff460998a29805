/** How a decoder routes text, and what it tells an observer on the way. */
import { createWasmDevice, linear, RandomKey, reshape, scope, type Tensor } from '@lpr/tensor';
import { describe, expect, it } from 'vitest';
import { createDecoder, type Decoder, type DecoderContext } from '../src/index.ts';
import { familyConfig, randomBatch } from './support.ts';

const device = await createWasmDevice({ threads: 1 });

const familyCases = [
  ['qwen3_moe', { router_type: 'vanilla', norm_topk_prob: false }],
  ['qwen3_moe', { router_type: 'lpr' }],
  ['mixtral', { router_jitter_noise: 0.1 }],
  ['deepseek_v3', { router_type: 'lpr' }],
] as const;

type Seen = [name: string, values: Promise<Float32Array>];

/** Gives the observer of a computation, and what it was told by name, in its order. */
function observer(): { readonly observe: DecoderContext['observe']; readonly seen: Seen[] } {
  const seen: Seen[] = [];
  return { observe: (name: string, x: Tensor) => void seen.push([name, x.dataF32()]), seen };
}

async function read(seen: readonly Seen[]): Promise<Map<string, Float32Array>> {
  const values = await Promise.all(seen.map(async ([name, data]) => [name, await data] as const));
  expect(new Set(values.map(([name]) => name)).size).toBe(values.length);
  return new Map(values);
}

/** The activation of a layer with experts whose name ends so. */
function ofLayer(seen: ReadonlyMap<string, Float32Array>, layer: number, end: string): Float32Array {
  const found = [...seen].filter(([name]) => name.startsWith(`model.layers.${layer}.`) && name.endsWith(end));
  expect(found).toHaveLength(1);
  return found[0]![1];
}

async function withDecoder<T>(decoder: Decoder, body: () => Promise<T>): Promise<T> {
  const before = device.memory.liveBuffers;
  try {
    return await scope(device, body);
  } finally {
    expect(device.memory.liveBuffers).toBe(before);
    decoder.dispose();
  }
}

describe.each(familyCases)('the routings of %s %j', (family, changes) => {
  const config = familyConfig(family, changes);

  it('tell an observer, layer by layer, what a forward pass and the logits say by themselves', async () => {
    const decoder = createDecoder(device, config, { seed: 3 });
    // The tables of positions, which stay.
    scope(device, () => decoder.logits(randomBatch(device, config, 2, 9).inputIds));
    await withDecoder(decoder, async () => {
      const batch = randomBatch(device, config, 2, 9);
      const [told, passed] = [observer(), observer()];
      const routings = decoder.routings(batch.inputIds, told.observe);
      const forward = decoder.forward(batch, { training: false, ...(passed.observe && { observe: passed.observe }) });
      const [seen, expected] = [await read(told.seen), await read(passed.seen)];

      expect([...seen.keys()]).toEqual([...expected.keys()]);
      expect(seen).toEqual(expected);
      expect(routings).toHaveLength(decoder.moeLayers.length);
      for (const [i, layer] of decoder.moeLayers.entries()) {
        const routing = routings[i]!;
        expect(ofLayer(seen, layer, '.gate')).toEqual(await forward.routings[i]!.scores.dataF32());
        expect(await routing.experts.dataI32()).toEqual(await forward.routings[i]!.experts.dataI32());
        expect(await routing.weights.dataF32()).toEqual(await forward.routings[i]!.weights.dataF32());
        expect(await routing.counts.dataI32()).toEqual(await forward.counts[i]!.dataI32());
      }
      // The last activation is what the head reads.
      const last = decoder.parameters.get('lm_head.weight')!;
      const byHand: Promise<Float32Array>[] = [];
      decoder.routings(batch.inputIds, (name, x) => {
        if (name === 'model.norm') byHand.push(linear(x, last).dataF32());
      });
      expect(await Promise.all(byHand)).toEqual([await reshape(decoder.logits(batch.inputIds), [18, -1]).dataF32()]);
    });
  });

  it('are the same without an observer, and whatever the noise of training', async () => {
    const decoder = createDecoder(device, config, { seed: 3 });
    scope(device, () => decoder.logits(randomBatch(device, config, 2, 9).inputIds));
    await withDecoder(decoder, async () => {
      const batch = randomBatch(device, config, 2, 9);
      const first = decoder.routings(batch.inputIds);
      decoder.forward(batch, { training: true, noise: RandomKey.fromSeed(1) });
      const second = decoder.routings(batch.inputIds, observer().observe);
      for (const [i, { experts, weights }] of first.entries()) {
        expect(await second[i]!.experts.dataI32()).toEqual(await experts.dataI32());
        expect(await second[i]!.weights.dataF32()).toEqual(await weights.dataF32());
      }
    });
  });
});

it('tells of what a router read: by hand, its scores follow from it', async () => {
  const config = familyConfig('qwen3_moe', { router_type: 'vanilla' });
  const decoder = createDecoder(device, config, { seed: 4 });
  scope(device, () => decoder.logits(randomBatch(device, config, 2, 9).inputIds));
  await withDecoder(decoder, async () => {
    const { inputIds } = randomBatch(device, config, 2, 9);
    const byHand: Promise<Float32Array>[] = [];
    const { observe, seen } = observer();
    decoder.routings(inputIds, (name, x) => {
      observe!(name, x);
      if (!name.endsWith('.experts.input')) return;
      const weight = decoder.routers[byHand.length]!.parameters.get('weight')!;
      byHand.push(linear(x, weight).dataF32());
    });
    const activations = await read(seen);
    expect(byHand).toHaveLength(decoder.moeLayers.length);
    for (const [i, layer] of decoder.moeLayers.entries()) {
      const scores = ofLayer(activations, layer, '.gate');
      (await byHand[i]!).forEach((score, place) => expect(scores[place]).toBeCloseTo(score, 5));
    }
  });
});
