/**
 * Quantile balancing (Su 2026, "Optimal allocation for balance", kexue.fm/archives/11619): scores `s = sigmoid(W x)`, the k largest of `s - b`, weights from s alone. b are the prices of
 * the balanced assignment (balancedPrices.ts), computed from each batch in training and used from the next step on; several micro-batches are averaged.
 * No loss, no rate to tune.
 *
 * Causal, since a batch is routed by the prices of earlier ones; training and evaluation route alike.
 */
import {
  add,
  assign,
  linear,
  maximum,
  divide,
  multiply,
  sigmoid,
  subtract,
  takeAlongRows,
  topK,
  zeros,
} from '@lpr/tensor';
import { balancedPrices } from '../balancedPrices.ts';
import { fullChoices } from '../choices.ts';
import { withoutGradients } from '../graph.ts';
import type { RouterMethod } from '../method.ts';
import { constantSpec, weightSpec } from '../parameters.ts';
import { normalizeRows } from '../selection.ts';

export interface QuantileBalancingOptions {
  readonly kind: 'quantileBalancing';
  readonly renormalize: boolean;
  /** Alternations between prices of tokens and of experts for each batch. */
  readonly rounds: number;
}

export const quantileBalancing: RouterMethod<QuantileBalancingOptions> = {
  defaults: { kind: 'quantileBalancing', renormalize: true, rounds: 4 },
  rules: { rounds: 'count' },
  traits: ({ renormalize }) => ({
    reads: { training: 'token', evaluation: 'token' },
    alike: true,
    fillsSlots: true,
    weightSum: renormalize ? 1 : null,
    takesLargest: true,
    onlyTopK: null,
    exactBalance: false,
    expertTensors: ['weight', 'prices', 'pending_prices'],
  }),
  parameters: (_, { hidden, experts }) => [
    weightSpec('weight', [experts, hidden]),
    { ...constantSpec('prices', [experts], 0), trained: false },
    // Sums over the micro-batches of a step, and their number.
    { ...constantSpec('pending_prices', [experts], 0), trained: false },
    { ...constantSpec('pending_batches', [1], 0), trained: false },
  ],
  route({ options, experts: count, topK: k, tensor }, x, { training }) {
    const logits = linear(x, tensor('weight'));
    const scores = sigmoid(logits);
    const { selection, experts } = withoutGradients(x.device, () => {
      const merit = subtract(scores, tensor('prices'));
      if (training) {
        const prices = balancedPrices(scores, k, tensor('prices'), options.rounds);
        assign(tensor('pending_prices'), add(tensor('pending_prices'), prices));
        assign(tensor('pending_batches'), add(tensor('pending_batches'), 1));
      }
      return { selection: merit, experts: topK(merit, k).indices };
    });
    const chosen = takeAlongRows(scores, experts);
    return {
      ...fullChoices(experts, count),
      weights: options.renormalize ? normalizeRows(chosen, 1e-20) : chosen,
      scores,
      logits,
      losses: [],
      details: { selection },
    };
  },
  afterStep({ tensor }) {
    const [prices, pending, batches] = [tensor('prices'), tensor('pending_prices'), tensor('pending_batches')];
    withoutGradients(prices.device, () => {
      // The mean over the step's batches; without any, prices stay.
      const change = divide(subtract(pending, multiply(prices, batches)), maximum(batches, 1));
      assign(prices, add(prices, change));
      assign(pending, zeros(prices.device, pending.shape));
      assign(batches, zeros(prices.device, batches.shape));
    });
  },
};
