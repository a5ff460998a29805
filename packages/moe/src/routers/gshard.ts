/**
 * GShard (Lepikhin et al. 2020, arXiv 2006.16668, algorithm 1): `p = softmax(W x)`, the two most probable experts,
 * weights `p_i / (p_1 + p_2)`. In training the second is kept with probability `min(1, 2 g_2)`, g_2 its weight; in
 * evaluation always. An expert takes at most `ceil(c 2 N / M)` tokens, c = 1; first choices go before second ones,
 * later tokens are dropped; what is left keeps its weight. Balanced by the auxiliary loss whose f counts first choices
 * only, weight 0.01.
 *
 * Not causal: the first choice of a later token takes a place before the second choice of an earlier one. Training is
 * random.
 */
import {
  affine,
  greater,
  linear,
  multiply,
  reshape,
  segmentPlan,
  slice,
  softmax,
  subtract,
  topK,
  concatenate,
  zeros,
  cast,
} from '@lpr/tensor';
import { weightSpec, withoutGradients } from '@lpr/tensor/nn';
import { capacityOf, limitCapacity } from '../capacity.ts';
import { countEmpty, emptySlotsWhere, filledSlots, partialChoices } from '../choices.ts';
import { type SoftmaxLossOptions, softmaxLosses } from '../losses/softmax-losses.ts';
import type { RouterMethod } from '../method.ts';
import { drawNoise } from '../router.ts';
import { normalizeRows } from '../selection.ts';

export interface GShardOptions extends SoftmaxLossOptions {
  readonly kind: 'gshard';
  readonly capacityFactor: number;
  /** false: second choices are always kept in training too. */
  readonly randomSecond: boolean;
}

export const gshard: RouterMethod<GShardOptions> = {
  defaults: { kind: 'gshard', capacityFactor: 1, randomSecond: true, loadBalancingWeight: 0.01, zLossWeight: 0 },
  rules: { capacityFactor: 'positive' },
  traits: ({ randomSecond, loadBalancingWeight }) => ({
    reads: { training: 'batch', evaluation: 'batch' },
    alike: !randomSecond,
    fillsSlots: false,
    weightSum: 1,
    takesLargest: true,
    onlyTopK: 2,
    exactBalance: false,
    pooledLosses: loadBalancingWeight > 0,
    expertTensors: ['weight'],
  }),
  parameters: (_, { hidden, experts }) => [weightSpec('weight', [experts, hidden])],
  route({ options, experts: count, tensor }, x, context) {
    const { device } = x;
    const [tokens = 0] = x.shape;
    const logits = linear(x, tensor('weight'));
    const probabilities = softmax(logits);
    const { values, indices } = topK(probabilities, 2);
    const weights = normalizeRows(values);
    const balance = withoutGradients(device, () => {
      const first = slice(indices, 1, 0, 1);
      return { choices: first, counts: segmentPlan(first, count).counts };
    });
    const wanted =
      context.training && options.randomSecond
        ? withoutGradients(device, () => {
            const drawn = drawNoise('gshard', 'uniform', x, [tokens, 1], context);
            const skipped = greater(drawn, affine(slice(weights, 1, 1, 2), 2));
            return emptySlotsWhere(concatenate([zeros(device, [tokens, 1]), skipped], 1), indices, count);
          })
        : indices;
    const experts = limitCapacity(wanted, count, capacityOf(options.capacityFactor, tokens, 2, count));
    const inactive = countEmpty(wanted, count);
    const all = countEmpty(experts, count);
    const dropped = withoutGradients(device, () => cast(subtract(cast(all, 'f32'), cast(inactive, 'f32')), 'i32'));
    const statistics = { probabilities, ...balance };
    return {
      ...partialChoices(experts, count),
      weights: multiply(weights, filledSlots(experts, count)),
      scores: logits,
      logits,
      unused: [
        { reason: 'inactive', count: inactive },
        { reason: 'dropped', count: reshape(dropped, [1]) },
      ],
      losses: softmaxLosses(context, options, statistics, logits),
      balance: statistics,
      details: { selection: probabilities },
    };
  },
};
