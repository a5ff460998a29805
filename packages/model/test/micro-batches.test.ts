/**
 * A training step in parts: the accumulated gradients of all parameters, and the routers' updates, are those of the
 * whole batch.
 */
import { mergeStatistics } from '@lpr/moe';
import { affine, backward, createWasmDevice, RandomKey, scope, slice, type Tensor } from '@lpr/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import { createDecoder, type Decoder, type DecoderPart } from '../src/index.ts';
import { familyConfig, randomBatch } from './support.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

const SEQUENCES = 4;
const LENGTH = 6;
const TOKENS = SEQUENCES * LENGTH;
/** First and last sequence of each part. */
const PARTS = [[0, 1], [1, 4]] as const; // biome-ignore format: a list

interface Step {
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, readonly number[]>;
  readonly state: readonly number[];
}

/** Gradients and updated router state of a step; in one piece or in parts. */
async function step(decoder: Decoder, split: boolean): Promise<Step> {
  const noise = RandomKey.fromSeed(3);
  const loss = await scope(device, async () => {
    const batch = randomBatch(device, decoder.config, SEQUENCES, LENGTH);
    if (!split) {
      const { totalLoss, statistics } = decoder.forward(batch, { training: true, noise });
      backward(totalLoss);
      decoder.afterStep(statistics);
      return totalLoss.item();
    }
    const rows = (x: Tensor, [from, to]: readonly [number, number]): Tensor => slice(x, 0, from, to);
    const part = ([from]: readonly [number, number]): DecoderPart => ({ first: from * LENGTH, tokens: TOKENS });
    const known = decoder.poolsLosses
      ? {
          statistics: mergeStatistics(
            PARTS.map((range) =>
              decoder.survey(rows(batch.inputIds, range), { training: true, noise, part: part(range) }),
            ),
          ),
        }
      : {};
    const done = PARTS.map((range) => {
      const own = { inputIds: rows(batch.inputIds, range), labels: rows(batch.labels, range) };
      const output = decoder.forward(own, { training: true, noise, part: { ...part(range), ...known } });
      const share = affine(output.totalLoss, (range[1] - range[0]) / SEQUENCES);
      backward(share);
      return { share, statistics: output.statistics };
    });
    decoder.afterStep(mergeStatistics(done.map(({ statistics }) => statistics)));
    let total = 0;
    for (const { share } of done) total += await share.item();
    return total;
  });
  const gradients = new Map<string, readonly number[]>();
  for (const [name, { grad }] of decoder.parameters) {
    gradients.set(name, grad === null ? [] : Array.from(await grad.data()));
    grad?.dispose();
  }
  const state: number[] = [];
  for (const buffer of decoder.buffers.values()) state.push(...(await buffer.data()));
  return { loss, gradients, state };
}

const auxiliary = { output_router_logits: true, router_aux_loss_coef: 0.5 };

describe('a step in parts', () => {
  it.each([
    ['qwen3_moe', { ...auxiliary, router_aux_loss_scope: 'pooled' }],
    ['qwen3_moe', { ...auxiliary, router_aux_loss_scope: 'globalBatch' }],
    ['qwen3_moe', { router_type: 'lpr' }],
    ['mixtral', { router_type: 'lpr', lpr_formulation: 'paper' }],
    ['deepseek_v3', { ...auxiliary, router_aux_loss_scope: 'layer' }],
    ['deepseek_v3', { router_type: 'lpr', lpr_formulation: 'official' }],
    ['deepseek_v3', { router_type: 'quantileBalancing' }],
    ['mixtral', { router_type: 'remoe' }],
    ['mixtral', { ...auxiliary, router_jitter_noise: 0.1, router_z_loss_coef: 0.1 }],
  ] as const)('%s with %j has the gradients of the whole', async (family, changes) => {
    const before = device.memory.liveBuffers;
    const decoders = [1, 2].map(() => createDecoder(device, familyConfig(family, changes), { seed: 5 }));
    const [whole, split] = [await step(decoders[0]!, false), await step(decoders[1]!, true)];
    expect(split.loss).toBeCloseTo(whole.loss, 4);
    for (const [name, values] of whole.gradients) {
      const largest = Math.max(1e-4, ...values.map(Math.abs));
      values.forEach((value, i) =>
        expect(Math.abs(value - split.gradients.get(name)![i]!) / largest, name).toBeLessThan(1e-3),
      );
    }
    expect(whole.state.length === split.state.length).toBe(true);
    whole.state.forEach((value, i) => expect(split.state[i]).toBeCloseTo(value, 5));
    decoders.forEach((decoder) => decoder.dispose());
    expect(device.memory.liveBuffers).toBe(before);
  });

  it('says where a survey is missing', () => {
    const decoder = createDecoder(
      device,
      familyConfig('qwen3_moe', { ...auxiliary, router_aux_loss_scope: 'globalBatch' }),
      { seed: 5 },
    );
    expect(decoder.poolsLosses).toBe(true);
    scope(device, () => {
      const part = { first: 0, tokens: TOKENS };
      expect(() => decoder.forward(randomBatch(device, decoder.config, 2, 4), { training: true, part })).toThrow(
        "'globalBatch' needs part.statistics; survey all parts first",
      );
    });
    decoder.dispose();
  });
});
