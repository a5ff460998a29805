/**
 * Expert choice (Zhou et al. 2022, arXiv 2202.09368): `p = softmax(W x)` over experts; each expert takes the C tokens
 * for which its p is largest, `C = c N / M` with c = k, the mean number of experts a token gets (the source's default
 * is 2). A token may get none or up to M. Weights p. Exactly balanced; no loss.
 *
 * Not causal, neither in training nor in evaluation: whether an expert takes a token depends on all others of the
 * batch.
 */
import { linear, ones, scatterAlongRows, softmax, topK, transpose } from '@lpr/tensor';
import { weightSpec, withoutGradients } from '@lpr/tensor/nn';
import { compactChoices, countEmpty, partialChoices } from '../choices.ts';
import type { RouterMethod } from '../method.ts';

export interface ExpertChoiceOptions {
  readonly kind: 'expertChoice';
}

export const expertChoice: RouterMethod<ExpertChoiceOptions> = {
  defaults: { kind: 'expertChoice' },
  traits: () => ({
    reads: { training: 'batch', evaluation: 'batch' },
    alike: true,
    fillsSlots: false,
    weightSum: null,
    takesLargest: false,
    onlyTopK: null,
    exactBalance: true,
    pooledLosses: false,
    expertTensors: ['weight'],
  }),
  parameters: (_, { hidden, experts }) => [weightSpec('weight', [experts, hidden])],
  route({ experts: count, topK: k, tensor }, x) {
    const [tokens = 0] = x.shape;
    const logits = linear(x, tensor('weight'));
    const probabilities = softmax(logits);
    const places = Math.min(tokens, Math.max(1, Math.floor((k * tokens) / count)));
    const chosen = withoutGradients(x.device, () => {
      const { indices } = topK(transpose(probabilities), places);
      return transpose(scatterAlongRows(ones(x.device, indices.shape), indices, tokens));
    });
    const { experts, weights } = compactChoices(probabilities, chosen, count);
    return {
      ...partialChoices(experts, count, count * places),
      weights,
      scores: logits,
      logits,
      unused: [{ reason: 'inactive', count: countEmpty(experts, count) }],
      losses: [],
      details: { selection: probabilities },
    };
  },
};
