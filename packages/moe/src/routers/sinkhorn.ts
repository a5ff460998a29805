/**
 * Sinkhorn routing (Clark et al. 2022, arXiv 2202.01169; as in Megatron-LM): in training `C = exp(W x)` is scaled by
 * factors of its rows and columns until every token has mass 1/N and every expert 1/M, and a token goes to its k
 * largest entries; in evaluation to the k largest logits. Weights: the softmax over all logits, for k = 1 their
 * sigmoid. The source alternates until the factors change by less than 1e-4; here it is a fixed number of rounds, in
 * logarithms. No loss; balance is near exact.
 *
 * Not causal in training. Evaluation routes differently, and is causal.
 */
import {
  add,
  affine,
  linear,
  logSumExp,
  reshape,
  sigmoid,
  softmax,
  takeAlongRows,
  type Tensor,
  topK,
  transpose,
  zeros,
} from '@lpr/tensor';
import { weightSpec, withoutGradients } from '@lpr/tensor/nn';
import { fullChoices } from '../choices.ts';
import type { RouterMethod } from '../method.ts';

export interface SinkhornOptions {
  readonly kind: 'sinkhorn';
  readonly rounds: number;
}

/**
 * Logarithms of the experts' factors `[M]`, after some rounds of `d0 = 1 / (N C d1)`, `d1 = 1 / (M C^T d0)`. logits
 * `[N, M]`.
 */
export function sinkhornFactors(logits: Tensor, rounds: number): Tensor {
  const [tokens = 0, experts = 0] = logits.shape;
  const turned = transpose(logits);
  let ofExperts = zeros(logits.device, [experts]);
  for (let round = 0; round < rounds; round++) {
    const ofTokens = affine(logSumExp(add(logits, ofExperts)), -1, -Math.log(tokens));
    ofExperts = affine(logSumExp(add(turned, reshape(ofTokens, [1, tokens]))), -1, -Math.log(experts));
  }
  return ofExperts;
}

export const sinkhorn: RouterMethod<SinkhornOptions> = {
  defaults: { kind: 'sinkhorn', rounds: 20 },
  rules: { rounds: 'rounds' },
  traits: () => ({
    reads: { training: 'batch', evaluation: 'token' },
    alike: false,
    fillsSlots: true,
    weightSum: null,
    takesLargest: true,
    onlyTopK: null,
    exactBalance: false,
    pooledLosses: false,
    expertTensors: ['weight'],
  }),
  parameters: (_, { hidden, experts }) => [weightSpec('weight', [experts, hidden])],
  route({ options, experts: count, topK: k, tensor }, x, { training }) {
    const logits = linear(x, tensor('weight'));
    const { selection, experts } = withoutGradients(x.device, () => {
      const merit = training ? add(logits, sinkhornFactors(logits, options.rounds)) : logits;
      return { selection: merit, experts: topK(merit, k).indices };
    });
    return {
      ...fullChoices(experts, count),
      weights: takeAlongRows(k === 1 ? sigmoid(logits) : softmax(logits), experts),
      scores: logits,
      logits,
      losses: [],
      details: { selection },
    };
  },
};
