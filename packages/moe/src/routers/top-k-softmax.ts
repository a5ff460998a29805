/**
 * The linear router of Mixtral (Jiang et al. 2024, arXiv 2401.04088) and Qwen3-MoE: `p = softmax(W x)`, the k most
 * probable experts, weights p, renormalised or not. Balanced, if at all, by the auxiliary loss over its probabilities
 * (losses/loadBalancing.ts; Mixtral and Qwen3 weight it with 1e-3).
 *
 * Causal; training and evaluation route alike.
 */
import { linear, softmax, topK } from '@lpr/tensor';
import { weightSpec } from '@lpr/tensor/nn';
import { fullChoices } from '../choices.ts';
import type { RouterMethod } from '../method.ts';
import { normalizeRows } from '../selection.ts';

export interface TopKSoftmaxOptions {
  readonly kind: 'topKSoftmax';
  /** Divide the k probabilities by their sum (Mixtral; Qwen3 with `norm_topk_prob`). */
  readonly renormalize: boolean;
}

export const topKSoftmax: RouterMethod<TopKSoftmaxOptions> = {
  defaults: { kind: 'topKSoftmax', renormalize: true },
  traits: ({ renormalize }) => ({
    reads: { training: 'token', evaluation: 'token' },
    alike: true,
    fillsSlots: true,
    weightSum: renormalize ? 1 : null,
    takesLargest: true,
    onlyTopK: null,
    exactBalance: false,
    pooledLosses: false,
    expertTensors: ['weight'],
  }),
  parameters: (_, { hidden, experts }) => [weightSpec('weight', [experts, hidden])],
  route({ options, experts, topK: k, tensor }, x) {
    const logits = linear(x, tensor('weight'));
    const probabilities = softmax(logits);
    const { values, indices } = topK(probabilities, k);
    const choices = fullChoices(indices, experts);
    return {
      ...choices,
      weights: options.renormalize ? normalizeRows(values) : values,
      scores: logits,
      logits,
      losses: [],
      balance: { probabilities, choices: indices, counts: choices.counts },
      details: { selection: probabilities },
    };
  },
};
