/**
 * ReMoE (Wang et al. 2024, arXiv 2412.14711): gates `g = ReLU(W x)`; a token goes to all experts whose gate is above 0,
 * weighted with it. The regulariser `lambda sum_e f_e mean(g_e)`, `f_e = M / (k N) (tokens of e)`, keeps gates sparse
 * and balanced; after each step lambda, at first 1e-8, is multiplied by 1.2 when tokens got more than k experts on
 * average, and divided by it when fewer. It stays between 1e-12 and 1e4, or the initial value where that is outside:
 * f32 would let it shrink to where a product no longer changes it, or grow to infinity, and it would never come back.
 * (The source takes the average over all layers; here each layer has its own lambda.)
 *
 * Causal; training and evaluation route alike.
 */
import {
  affine,
  assign,
  exp,
  greater,
  linear,
  maximum,
  minimum,
  multiply,
  relu,
  sign,
  sum,
  type Tensor,
} from '@lpr/tensor';
import { constantSpec, weightSpec, withoutGradients } from '@lpr/tensor/nn';
import { compactChoices, countEmpty, partialChoices } from '../choices.ts';
import type { RouterMethod } from '../method.ts';
import { overWhole, tokensOfWhole } from '../statistics.ts';

export interface ReMoEOptions {
  readonly kind: 'remoe';
  readonly initialPenalty: number;
  /** What lambda is multiplied with or divided by; above 1. */
  readonly penaltyFactor: number;
}

/** Bounds of lambda: below them it has no effect, above them it is all there is. */
const SMALLEST_PENALTY = 1e-12;
const LARGEST_PENALTY = 1e4;

export const remoe: RouterMethod<ReMoEOptions> = {
  defaults: { kind: 'remoe', initialPenalty: 1e-8, penaltyFactor: 1.2 },
  // f32 holds the initial value, and a factor below 1 would reward what it is to punish.
  rules: { initialPenalty: { from: 1e-30, to: 1e30 }, penaltyFactor: { above: 1 } },
  traits: () => ({
    reads: { training: 'token', evaluation: 'token' },
    alike: true,
    fillsSlots: false,
    weightSum: null,
    takesLargest: false,
    onlyTopK: null,
    exactBalance: false,
    pooledLosses: true,
    expertTensors: ['weight'],
  }),
  parameters: ({ initialPenalty }, { hidden, experts }) => [
    weightSpec('weight', [experts, hidden]),
    { ...constantSpec('penalty', [1], initialPenalty), trained: false },
  ],
  route({ experts: count, topK: k, tensor }, x, { training, part }) {
    const [tokens = 0] = x.shape;
    const logits = linear(x, tensor('weight'));
    const gates = relu(logits);
    const active = withoutGradients(x.device, () => greater(gates, 0));
    const { experts, weights } = compactChoices(gates, active, count);
    const penalty = (): Tensor => {
      const load = withoutGradients(x.device, () => overWhole(part, 'sums', 'counts', sum(active, 0)));
      const scale = count / (k * tokensOfWhole(part, tokens) * tokens);
      const raw = affine(sum(multiply(load, sum(gates, 0))), scale);
      return sum(multiply(raw, tensor('penalty')));
    };
    return {
      ...partialChoices(experts, count),
      weights,
      scores: logits,
      unused: [{ reason: 'inactive', count: countEmpty(experts, count) }],
      // lambda lives on the device, so it is part of the value.
      losses: training ? [{ name: 'activation', value: penalty(), weight: 1 }] : [],
    };
  },
  afterStep({ options, topK: k, tensor }, { tokens, sums }) {
    const penalty = tensor('penalty');
    withoutGradients(penalty.device, () => {
      const surplus = sign(affine(sum(sums['counts']!), 1, -k * tokens));
      const moved = multiply(penalty, exp(affine(surplus, Math.log(options.penaltyFactor))));
      const least = Math.min(SMALLEST_PENALTY, options.initialPenalty);
      const most = Math.max(LARGEST_PENALTY, options.initialPenalty);
      assign(penalty, minimum(maximum(moved, least), most));
    });
  },
};
