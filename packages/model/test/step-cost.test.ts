/** What a step costs ranks, by hand. */
import { describe, expect, it } from 'vitest';
import {
  countParameters,
  numbersOfRank,
  parseDecoderConfig,
  predictFlops,
  predictMemory,
  rankCost,
  stepTime,
} from '../src/index.ts';

const config = parseDecoderConfig({
  model_type: 'qwen3_moe',
  vocab_size: 100,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 8,
  num_experts: 8,
  num_experts_per_tok: 2,
  moe_intermediate_size: 12,
  intermediate_size: 24,
  max_position_embeddings: 32,
  router_type: 'vanilla',
});

const step = { ranks: 4, expertParallel: true, microBatches: 2, batch: 3, sequence: 32 };
const TOKENS = 2 * 3 * 32;
const EXPERTS = 2 * 8 * 3 * 12 * 16;

describe('the numbers of a rank', () => {
  it('are its experts, and all that is no expert', () => {
    const { total } = countParameters(config);
    expect(numbersOfRank(config, { ranks: 4, expertParallel: true })).toEqual({
      own: EXPERTS / 4,
      common: total - EXPERTS,
    });
    expect(numbersOfRank(config, { ranks: 4, expertParallel: false })).toEqual({ own: 0, common: total });
    // The rank that holds the most: 8 experts over 3 ranks are 2, 3 and 3.
    expect(numbersOfRank(config, { ranks: 3, expertParallel: true }).own).toBe((EXPERTS / 8) * 3);
  });

  it('are what its memory is predicted from', () => {
    const size = { batch: 3, sequence: 32, training: true };
    const [alone, shared] = [predictMemory(config, size), predictMemory(config, { ...size, ranks: 4 })];
    expect(alone.parameters - shared.parameters).toBe(3 * EXPERTS);
    expect(alone.optimizer - shared.optimizer).toBe(6 * EXPERTS);
    expect(shared.activations).toBeGreaterThan(alone.activations);
    expect(predictMemory(config, { ...size, ranks: 4, load: 2 }).activations).toBeGreaterThan(shared.activations);
  });
});

describe('the cost of a step', () => {
  it('has four passes of rows of hidden width, of which a share of 3/4 leaves', () => {
    const cost = rankCost(config, step);
    expect(cost.sentTokens).toBe((TOKENS * 2 * 16 * 4 * 4 * 2 * 3) / 4);
    const { total } = countParameters(config);
    expect(cost.sentGradients).toBe((4 * (total - EXPERTS) * 3 * 3) / 4);
    expect(rankCost(config, { ...step, reduction: 'allReduce' }).sentGradients).toBe(
      (4 * (total - EXPERTS) * 2 * 3) / 4,
    );
    expect(cost.flops).toBeCloseTo(TOKENS * predictFlops(config, { sequence: 32 }).training, -3);
    expect(rankCost(config, { ...step, expertParallel: false })).toMatchObject({ sentTokens: 0 });
    expect(rankCost(config, { ...step, ranks: 1 })).toMatchObject({ sentTokens: 0, sentGradients: 0 });
  });

  it('is longer by what the slowest rank computes and receives more', () => {
    const machine = { flops: 1e9, memory: 1e9, bandwidth: 1e9, latency: 1e-6 };
    const even = stepTime(config, step, machine);
    const uneven = stepTime(config, { ...step, load: 2 }, machine);
    const { experts } = predictFlops(config, { sequence: 32 });
    expect(even.imbalance).toBe(0);
    expect(uneven.imbalance).toBeCloseTo((3 * TOKENS * experts) / 1e9, 12);
    expect(uneven.compute - even.compute).toBeCloseTo(uneven.imbalance, 12);
    expect(uneven.allToAll - even.allToAll).toBeCloseTo(rankCost(config, step).sentTokens / 1e9, 12);
    // Five exchanges of a layer and micro-batch, each with three others.
    expect(stepTime(config, step, { ...machine, bandwidth: 1e30 }).allToAll).toBeCloseTo(5 * 2 * 2 * 3 * 1e-6, 12);
    expect(stepTime(config, { ...step, ranks: 1, load: 2 }, machine)).toMatchObject({ allToAll: 0, imbalance: 0 });
  });

  it('has the memory of the optimiser, of sums and of messages', () => {
    const { total } = countParameters(config);
    const common = total - EXPERTS;
    const own = EXPERTS / 4;
    const { moved, sentGradients, sentTokens } = rankCost(config, step);
    // Of seven numbers an update; of two micro-batches of four ranks each, of which the first sum reads no sum.
    const numbers = 7 * (own + common) + (common / 4) * (2 * 6 - 1) + 3 * own * 7;
    expect(moved).toBeCloseTo(4 * numbers + 2 * (sentGradients + sentTokens), 3);
    // Both moments of a number in the place of one.
    const packed = rankCost(config, { ...step, moments: 'bfloat16' });
    expect(moved - packed.moved).toBeCloseTo(4 * 2 * (own + common), 3);
    const uneven = rankCost(config, { ...step, load: 2 });
    expect(uneven.moved - moved).toBeCloseTo(2 * sentTokens, 3);
    expect(rankCost(config, { ...step, ranks: 1 }).moved).toBeCloseTo(4 * (7 + 3) * total, 3);
    const all = rankCost(config, { ...step, expertParallel: false, reduction: 'allReduce' });
    expect(all.moved).toBeCloseTo(4 * (7 + 3 + (3 * 3) / 4) * total + 2 * all.sentGradients, 3);
    const machine = { flops: 1e30, memory: 1e9, bandwidth: 1e30, latency: 0 };
    const time = stepTime(config, step, machine);
    expect(time.memory).toBeCloseTo(moved / 1e9, 12);
    expect(time.total).toBeCloseTo(time.memory, 12);
  });

  it('hides gradients behind the backward pass, but for the last', () => {
    const fast = stepTime(config, step, { flops: 1, memory: 1e9, bandwidth: 1e9, latency: 0 });
    expect(fast.allReduce).toBeCloseTo(rankCost(config, step).sentGradients / 3 / 1e9, 12);
    const slow = stepTime(config, step, { flops: 1e30, memory: 1e9, bandwidth: 1e9, latency: 0 });
    expect(slow.allReduce).toBeCloseTo(rankCost(config, step).sentGradients / 1e9, 12);
  });
});
