/** What is measured of routers and experts on held-out text: how decided they are, how alike. */
import { type Batch, evaluationBatches } from '@lpr/data';
import { expertSimilarity, normalMargin, selectionMargin } from '@lpr/metrics';
import { createDecoder, type Decoder, parseDecoderConfig } from '@lpr/model';
import { assign, createWasmDevice, embedding, scope, type Tensor, tensor, type WasmDevice } from '@lpr/tensor';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { decisionsOf } from '../src/decisions.ts';
import { evaluate, type RoutedBatch } from '../src/evaluate.ts';
import { measureSimilarity } from '../src/expert-outputs.ts';
import { uploadBatch } from '../src/micro-batches.ts';
import { loads, makeDecoder, tokens } from './models.ts';

let device: WasmDevice;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 1 });
});
afterAll(async () => await device.dispose());

const batches = (): Batch[] => [...evaluationBatches(tokens, 4, 8, 96)];

async function routed(decoder: Decoder, most = 96): Promise<RoutedBatch[]> {
  const found: RoutedBatch[] = [];
  await evaluate(decoder, batches(), {
    routed: { tokens: most, decisions: true, onBatch: (batch) => found.push(batch) },
  });
  return found;
}

/** Scores of a layer, `[tokens, M]`, by the model itself. */
async function scoresOf(decoder: Decoder, batch: Batch, layer: number): Promise<Float32Array> {
  return (await scope(
    device,
    () => decoder.forward(uploadBatch(decoder, batch), { training: false }).routings[layer]!.scores.data(),
    { gradients: false },
  )) as Float32Array;
}

describe('decisions', () => {
  it('of routers are entropy of the scores and margin of the choice, by loops', async () => {
    const decoder = makeDecoder(device, 'plain', 3);
    const [first, , third] = await routed(decoder);
    for (const [batch, found] of [
      [batches()[0]!, first!],
      [batches()[2]!, third!],
    ] as const) {
      // biome-ignore format: pairs
      for (const layer of [0, 1]) {
        const values = await scoresOf(decoder, batch, layer);
        const rows = Array.from({ length: 32 }, (_, t) => Array.from(values.subarray(6 * t, 6 * t + 6)));
        const entropies = rows.map((row) => {
          const all = row.reduce((sum, x) => sum + Math.exp(x), 0);
          return row.reduce((sum, x) => sum - (Math.exp(x) / all) * Math.log(Math.exp(x) / all), 0) / Math.log(6);
        });
        const { entropy, margin, independentMargin } = found.layers[layer]!.decisions!;
        expect(entropy).toBeCloseTo(entropies.reduce((a, b) => a + b) / 32, 9);
        expect(margin).toBe(selectionMargin({ rows: 32, columns: 6, values }, loads.topK));
        expect(independentMargin).toBe(normalMargin(6, loads.topK));
      }
    }
    decoder.dispose();
  });

  it('of a router with a selection bias are by what it selects by', async () => {
    const official = makeDecoder(device, 'lpr');
    const config = parseDecoderConfig({ ...official.config, lpr_options: { selectionBiasRate: 0.01 } });
    official.dispose();
    const decoder = createDecoder(device, config, { seed: 3 });
    for (const { buffers } of decoder.routers) {
      assign(buffers.get('selection_bias')!, tensor(device, Float32Array.of(1e4, 0, 0, 1e4, 0, 0), [6]));
    }
    const [{ layers }] = (await routed(decoder)) as [RoutedBatch];
    // Two of six scores far above four alike ones.
    for (const { decisions } of layers) expect(decisions!.margin).toBeCloseTo(1 / Math.sqrt((2 / 6) * (4 / 6)), 2);
    decoder.dispose();
  });

  it('leave out experts that groups keep a token from', async () => {
    const official = makeDecoder(device, 'lpr');
    const config = parseDecoderConfig({ ...official.config, lpr_options: { groups: 3, keptGroups: 2 } });
    official.dispose();
    const decoder = createDecoder(device, config, { seed: 3 });
    const [{ layers }] = (await routed(decoder)) as [RoutedBatch];
    // Of four scores, two on either side: no gap is wider than the deviation takes it.
    for (const { decisions } of layers) {
      expect(decisions!.margin).toBeGreaterThan(0.01);
      expect(decisions!.margin).toBeLessThanOrEqual(2);
      // The margin of unrelated scores of four experts that are the best two groups' of three is not known.
      expect(decisions!.independentMargin).toBeNaN();
    }
    decoder.dispose();
  });

  it('of a uniform router are entropy 1 and no margin', async () => {
    const decoder = makeDecoder(device, 'plain');
    for (const router of decoder.routers) {
      const weight = router.parameters.get('weight')!;
      assign(weight, tensor(device, new Float32Array(weight.size), weight.shape));
    }
    const [{ layers }] = (await routed(decoder)) as [RoutedBatch];
    for (const { decisions } of layers) {
      expect(decisions!.entropy).toBeCloseTo(1, 12);
      expect(decisions!.margin).toBe(0);
    }
    decoder.dispose();
  });

  it('are none where the largest scores do not say where a token goes', async () => {
    const decoder = makeDecoder(device, 'adamoe');
    const [{ layers }] = (await routed(decoder)) as [RoutedBatch];
    expect(layers.map(({ decisions }) => decisions)).toEqual([null, null]);
    decoder.dispose();
    // Nor where nobody asks.
    const plain = makeDecoder(device, 'plain');
    const found: RoutedBatch[] = [];
    await evaluate(plain, batches(), { routed: { tokens: 8, onBatch: (batch) => found.push(batch) } });
    expect(found[0]!.layers.map(({ decisions }) => decisions)).toEqual([null, null]);
    plain.dispose();
  });

  it('of several batches are weighted by their tokens, and none where one has none', () => {
    // No sum of thirds is exactly this, which is the same for all batches.
    const independentMargin = normalMargin(6, 2);
    const [first, second, third] = [4, 0, 2].map((margin, i) => ({
      tokenIds: new Int32Array(i + 1),
      layers: [{ decisions: { entropy: margin / 4, margin, independentMargin } }, { decisions: null }],
    }));
    expect(decisionsOf([first!, second!, third!])).toEqual([
      { entropy: expect.closeTo(2.5 / 6, 12), margin: expect.closeTo(10 / 6, 12), independentMargin },
      null,
    ]);
    const none = { tokenIds: new Int32Array(3), layers: [{ decisions: null }, { decisions: null }] };
    expect(decisionsOf([first!, none])).toEqual([null, null]);
    expect(decisionsOf([])).toEqual([]);
  });
});

describe('similarity of experts', () => {
  /** What expert `e` of a layer makes of a batch's tokens, by hand from its weights. */
  async function outputOf(decoder: Decoder, layer: number, expert: number, input: Float32Array): Promise<number[]> {
    const at = `model.layers.${layer}.mlp.experts.`;
    const [gateUp, down] = await Promise.all(
      ['gate_up_proj', 'down_proj'].map((name) => decoder.parameters.get(at + name)!.data()),
    );
    const [hidden, width] = [16, 8];
    const row = (data: ArrayLike<number>, start: number, x: readonly number[]): number =>
      x.reduce((sum, value, i) => sum + value * data[start + i]!, 0);
    return Array.from({ length: input.length / hidden }, (_, t) => {
      const x = Array.from(input.subarray(t * hidden, (t + 1) * hidden));
      const inner = Array.from({ length: width }, (__, i) => {
        const gate = row(gateUp!, (expert * 2 * width + i) * hidden, x);
        return (gate / (1 + Math.exp(-gate))) * row(gateUp!, (expert * 2 * width + width + i) * hidden, x);
      });
      return Array.from({ length: hidden }, (__, i) => row(down!, (expert * hidden + i) * width, inner));
    }).flat();
  }

  it('is that of what each makes of the tokens as the layer reads them, whichever they chose', async () => {
    const decoder = makeDecoder(device, 'plain', 5);
    const all = batches();
    const layers = await measureSimilarity(decoder, all, 24);
    expect(layers.map(({ layer, tokens: count }) => [layer, count])).toEqual([
      [0, 24],
      [1, 24],
    ]);
    // Every fourth of 96 tokens, from the third on.
    const inputs: Float32Array[] = [];
    for (const batch of all) {
      const { reads } = scope(
        device,
        () => {
          const reads: Promise<ArrayLike<number>>[] = [];
          decoder.forward(uploadBatch(decoder, batch), {
            training: false,
            observe(name: string, x: Tensor) {
              if (name !== 'model.layers.1.mlp.experts.input') return;
              const rows = Int32Array.from({ length: 8 }, (_, i) => 4 * i + 2);
              reads.push(embedding(x, tensor(device, rows, [8])).data());
            },
          });
          return { reads };
        },
        { gradients: false },
      );
      inputs.push((await reads[0]) as Float32Array);
    }
    const input = Float32Array.from(inputs.flatMap((part) => [...part]));
    const outputs = await Promise.all(
      [0, 4].map(async (expert) => ({ rows: 24, columns: 16, values: await outputOf(decoder, 1, expert, input) })),
    );
    expect(layers[1]!.similarity[0]![4]).toBeCloseTo(expertSimilarity(outputs).similarity[0]![1]!, 4);
    expect(layers[1]!.similarity).toHaveLength(loads.experts);
    const { liveBuffers } = device.memory;
    const forward = vi.spyOn(decoder, 'forward');
    expect(await measureSimilarity(decoder, all, 24)).toEqual(layers);
    // Once for all layers.
    expect(forward).toHaveBeenCalledTimes(all.length);
    expect(device.memory.liveBuffers).toBe(liveBuffers);
    decoder.dispose();
  });

  it('is 1 of experts that are copies of each other, of no more tokens than there are', async () => {
    const decoder = makeDecoder(device, 'vanilla', 5);
    const done: number[] = [];
    for (const [name, weights] of decoder.parameters) {
      if (!name.includes('.experts.')) continue;
      const values = (await weights.dataF32()).slice();
      const each = values.length / loads.experts;
      values.copyWithin(2 * each, 0, each);
      assign(weights, tensor(device, values, weights.shape));
    }
    const layers = await measureSimilarity(decoder, batches(), 1000, (layer) => void done.push(layer));
    expect(done).toEqual([1, 2]);
    for (const { similarity, independent, tokens: count } of layers) {
      expect(count).toBe(96);
      expect(similarity[0]![2]).toBeCloseTo(1, 5);
      expect(similarity[0]![1]).toBeLessThan(0.999);
      expect(independent[0]![1]).toBeLessThan(0.2);
    }
    decoder.dispose();
  });

  it('is of no layer in a model without experts', async () => {
    const decoder = makeDecoder(device, 'dense');
    expect(await measureSimilarity(decoder, batches(), 10)).toEqual([]);
    decoder.dispose();
  });
});
