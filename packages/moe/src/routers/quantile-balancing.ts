/**
 * Quantile balancing (Su 2026, "Optimal allocation for balance", kexue.fm/archives/11619): scores `s = sigmoid(W x)`,
 * the k largest of `s - b`, weights from s alone. b are the prices of the balanced assignment (balanced-prices.ts),
 * computed after each step from the scores of all its tokens, which are kept until then, and used from the next step
 * on. No loss, no rate to tune.
 *
 * Causal, since a batch is routed by the prices of earlier ones; training and evaluation route alike.
 */
import { assign, linear, sigmoid, subtract, takeAlongRows, topK } from '@lpr/tensor';
import { constantSpec, weightSpec, withoutGradients } from '@lpr/tensor/nn';
import { balancedPrices } from '../balanced-prices.ts';
import { fullChoices } from '../choices.ts';
import type { RouterMethod } from '../method.ts';
import { normalizeRows } from '../selection.ts';

export interface QuantileBalancingOptions {
  readonly kind: 'quantileBalancing';
  readonly renormalize: boolean;
  /** Alternations between prices of tokens and of experts for each batch. */
  readonly rounds: number;
}

export const quantileBalancing: RouterMethod<QuantileBalancingOptions> = {
  defaults: { kind: 'quantileBalancing', renormalize: true, rounds: 4 },
  rules: { rounds: 'rounds' },
  traits: ({ renormalize }) => ({
    reads: { training: 'token', evaluation: 'token' },
    alike: true,
    fillsSlots: true,
    weightSum: renormalize ? 1 : null,
    takesLargest: true,
    onlyTopK: null,
    exactBalance: false,
    pooledLosses: false,
    expertTensors: ['weight', 'prices'],
    selectionBias: { buffer: 'prices', sign: -1 },
  }),
  parameters: (_, { hidden, experts }) => [
    weightSpec('weight', [experts, hidden]),
    { ...constantSpec('prices', [experts], 0), trained: false },
  ],
  route({ options, experts: count, topK: k, tensor }, x, { training }) {
    const logits = linear(x, tensor('weight'));
    const scores = sigmoid(logits);
    const { selection, experts } = withoutGradients(x.device, () => {
      const merit = subtract(scores, tensor('prices'));
      return { selection: merit, experts: topK(merit, k).indices };
    });
    const chosen = takeAlongRows(scores, experts);
    return {
      ...fullChoices(experts, count),
      weights: options.renormalize ? normalizeRows(chosen, 1e-20) : chosen,
      scores,
      logits,
      losses: [],
      ...(training ? { rows: { scores } } : {}),
      details: { selection },
    };
  },
  afterStep({ options, topK: k, tensor }, { rows }) {
    const prices = tensor('prices');
    withoutGradients(prices.device, () => assign(prices, balancedPrices(rows['scores']!, k, prices, options.rounds)));
  },
};
