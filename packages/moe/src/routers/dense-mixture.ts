/**
 * The dense mixture of experts (Jacobs et al. 1991, Neural Computation 3(1), 79-87, "Adaptive mixtures of local
 * experts"): every expert sees every token, `y = sum_e p_e E_e(x)`, `p = softmax(W x)`. The source trains experts by
 * the likelihood of each one's own output; within a network there are no targets for them, so it is the mixed output
 * that is trained here. What sparse methods save, this one pays: k is M.
 *
 * Every load is N, so measures of balance say nothing; what can be uneven are the weights. Causal; training and
 * evaluation route alike.
 */
import { linear, softmax, topK } from '@lpr/tensor';
import { weightSpec } from '@lpr/tensor/nn';
import { fullChoices } from '../choices.ts';
import type { RouterMethod } from '../method.ts';

export interface DenseMixtureOptions {
  readonly kind: 'denseMixture';
}

export const denseMixture: RouterMethod<DenseMixtureOptions> = {
  defaults: { kind: 'denseMixture' },
  traits: () => ({
    reads: { training: 'token', evaluation: 'token' },
    alike: true,
    fillsSlots: true,
    weightSum: 1,
    takesLargest: true,
    onlyTopK: 'all',
    exactBalance: true,
    pooledLosses: false,
    expertTensors: ['weight'],
  }),
  parameters: (_, { hidden, experts }) => [weightSpec('weight', [experts, hidden])],
  route({ experts: count, tensor }, x) {
    const logits = linear(x, tensor('weight'));
    const probabilities = softmax(logits);
    const { values, indices } = topK(probabilities, count);
    return {
      ...fullChoices(indices, count),
      weights: values,
      scores: logits,
      logits,
      losses: [],
      details: { selection: probabilities },
    };
  },
};
