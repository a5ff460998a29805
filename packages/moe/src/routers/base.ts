/**
 * BASE layers (Lewis et al. 2021, arXiv 2103.16716): scores `s = x . e_i`; in training tokens are assigned so that
 * every expert gets equally many and the total score is high (balanced-prices.ts: exactly balanced, the total nearly
 * the largest), in evaluation each goes to its best expert. The layer computes `a E(x) + (1 - a) x`, `a = sigmoid(s)`
 * of the expert it got. Embeddings e start orthogonal, with length 0.1. No loss.
 *
 * Not causal in training: where a token goes depends on all of the batch. Evaluation routes differently, and is causal.
 */
import { affine, linear, sigmoid, takeAlongRows, topK } from '@lpr/tensor';
import { weightSpec, withoutGradients } from '@lpr/tensor/nn';
import { balancedAssignment } from '../balanced-prices.ts';
import { fullChoices } from '../choices.ts';
import type { RouterMethod } from '../method.ts';

export interface BaseOptions {
  readonly kind: 'base';
  /** Rounds in which prices are found, and in which tokens apply to experts. */
  readonly priceRounds: number;
  readonly bidRounds: number;
}

export const base: RouterMethod<BaseOptions> = {
  defaults: { kind: 'base', priceRounds: 8, bidRounds: 8 },
  rules: { priceRounds: 'rounds', bidRounds: 'rounds' },
  traits: () => ({
    reads: { training: 'batch', evaluation: 'token' },
    alike: false,
    fillsSlots: true,
    weightSum: null,
    takesLargest: true,
    onlyTopK: 1,
    exactBalance: true,
    pooledLosses: false,
    expertTensors: ['expert_centroids'],
  }),
  parameters: (_, { hidden, experts }) => [
    { ...weightSpec('expert_centroids', [experts, hidden]), initial: { kind: 'orthogonal', length: 0.1 } },
  ],
  route({ options, experts: count, tensor }, x, { training }) {
    const scores = linear(x, tensor('expert_centroids'));
    const experts = withoutGradients(x.device, () =>
      training ? balancedAssignment(scores, options) : topK(scores, 1).indices,
    );
    const weights = sigmoid(takeAlongRows(scores, experts));
    return {
      ...fullChoices(experts, count),
      weights,
      scores,
      losses: [],
      passThrough: affine(weights, -1, 1),
    };
  },
};
