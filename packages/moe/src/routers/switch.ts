/**
 * Switch Transformer (Fedus et al. 2021, arXiv 2101.03961): `p = softmax(W x)`, the most probable expert alone,
 * weighted with its p. An expert takes at most `ceil(c N / M)` tokens, c = 1.25 in training and 2 in evaluation; the
 * others, later in the batch, are dropped: they pass the layer by its residual alone. In training the router's input is
 * multiplied by numbers from 1 - 0.01 to 1 + 0.01. Balanced by the auxiliary loss, weight 0.01; z-loss (ST-MoE) 1e-3.
 *
 * Causal along the batch, but a token's place depends on those before it, of other sequences too. Training and
 * evaluation differ in capacity and jitter.
 */
import { affine, linear, multiply, segmentPlan, softmax, topK } from '@lpr/tensor';
import { weightSpec } from '@lpr/tensor/nn';
import { capacityOf, limitCapacity } from '../capacity.ts';
import { countEmpty, filledSlots, partialChoices } from '../choices.ts';
import { type SoftmaxLossOptions, softmaxLosses } from '../losses/softmax-losses.ts';
import type { RouterMethod } from '../method.ts';
import { drawNoise } from '../router.ts';

export interface SwitchOptions extends SoftmaxLossOptions {
  readonly kind: 'switch';
  readonly capacityFactor: number;
  readonly evaluationCapacityFactor: number;
  readonly jitter: number;
}

export const switchTransformer: RouterMethod<SwitchOptions> = {
  defaults: {
    kind: 'switch',
    capacityFactor: 1.25,
    evaluationCapacityFactor: 2,
    jitter: 0.01,
    loadBalancingWeight: 0.01,
    zLossWeight: 1e-3,
  },
  rules: { capacityFactor: 'positive', evaluationCapacityFactor: 'positive', jitter: 'share' },
  traits: ({ capacityFactor, evaluationCapacityFactor, jitter, loadBalancingWeight }) => ({
    reads: { training: 'earlierTokens', evaluation: 'earlierTokens' },
    alike: capacityFactor === evaluationCapacityFactor && jitter === 0,
    fillsSlots: false,
    weightSum: null,
    takesLargest: true,
    onlyTopK: 1,
    exactBalance: false,
    pooledLosses: loadBalancingWeight > 0,
    expertTensors: ['weight'],
  }),
  parameters: (_, { hidden, experts }) => [weightSpec('weight', [experts, hidden])],
  route({ options, experts: count, tensor }, x, context) {
    const { training } = context;
    const { jitter } = options;
    const jittered =
      training && jitter > 0
        ? multiply(x, affine(drawNoise('switch', 'uniform', x, x.shape, context), 2 * jitter, 1 - jitter))
        : x;
    const logits = linear(jittered, tensor('weight'));
    const probabilities = softmax(logits);
    const { values, indices } = topK(probabilities, 1);
    const balance = { probabilities, choices: indices, counts: segmentPlan(indices, count).counts };
    const factor = training ? options.capacityFactor : options.evaluationCapacityFactor;
    const experts = limitCapacity(indices, count, capacityOf(factor, x.shape[0]!, 1, count));
    return {
      ...partialChoices(experts, count),
      weights: multiply(values, filledSlots(experts, count)),
      scores: logits,
      logits,
      unused: [{ reason: 'dropped', count: countEmpty(experts, count) }],
      losses: softmaxLosses(context, options, balance, logits),
      balance,
      details: { selection: probabilities },
    };
  },
};
