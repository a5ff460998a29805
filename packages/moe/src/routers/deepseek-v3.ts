/**
 * The router of DeepSeek-V3 (DeepSeek-AI 2024, arXiv 2412.19437, equations 12-16): scores `s = sigmoid(W x)`; the k
 * largest of `s + b` within the best groups; weights `scale s / (sum of the chosen s + 1e-20)`. Balanced by the bias b,
 * which no gradient and no weight sees: after each step `b += rate sign(mean load - load)` (Wang et al. 2024, arXiv
 * 2408.15664), rate 1e-3; and by a sequence-wise loss (equations 17-20), weight 1e-4.
 *
 * Causal; training and evaluation route alike.
 */
import { add, affine, linear, negate, segmentPlan, sigmoid, softmax, softplus, takeAlongRows, topK } from '@lpr/tensor';
import { constantSpec, weightSpec, withoutGradients } from '@lpr/tensor/nn';
import { fullChoices } from '../choices.ts';
import { sequenceLoadBalancing } from '../losses/load-balancing.ts';
import type { RouterMethod } from '../method.ts';
import { checkGroups, limitToBestGroups, normalizeRows, updateSelectionBias } from '../selection.ts';

export interface DeepSeekV3Options {
  readonly kind: 'deepSeekV3';
  /** Groups of experts (`n_group`), and how many of them a token may choose from (`topk_group`). */
  readonly groups: number;
  readonly keptGroups: number;
  /** Divide the weights by their sum (`norm_topk_prob`). */
  readonly renormalize: boolean;
  /** `routed_scaling_factor`. */
  readonly weightScale: number;
  /** How much the bias moves after each step; 0: never. */
  readonly biasRate: number;
  readonly sequenceLossWeight: number;
}

const BIAS = 'e_score_correction_bias';

export const deepSeekV3: RouterMethod<DeepSeekV3Options> = {
  defaults: {
    kind: 'deepSeekV3',
    groups: 1,
    keptGroups: 1,
    renormalize: true,
    weightScale: 2.5,
    biasRate: 1e-3,
    sequenceLossWeight: 1e-4,
  },
  rules: { groups: 'count', keptGroups: 'count', weightScale: 'positive' },
  traits: ({ renormalize, weightScale }) => ({
    reads: { training: 'token', evaluation: 'token' },
    alike: true,
    fillsSlots: true,
    weightSum: renormalize ? weightScale : null,
    takesLargest: true,
    onlyTopK: null,
    exactBalance: false,
    pooledLosses: false,
    expertTensors: ['weight', BIAS],
    selectionBias: { buffer: BIAS, sign: 1 },
  }),
  parameters: (_, { hidden, experts }) => [
    weightSpec('weight', [experts, hidden]),
    { ...constantSpec(BIAS, [experts], 0), trained: false },
  ],
  check: (options, { experts, topK: k }) => checkGroups('deepSeekV3', options, experts, k),

  route({ options, experts: count, topK: k, tensor }, x, { training, sequence }) {
    const logits = linear(x, tensor('weight'));
    const scores = sigmoid(logits);
    const { selection, experts } = withoutGradients(x.device, () => {
      const merit = limitToBestGroups(add(scores, tensor(BIAS)), options);
      return { selection: merit, experts: topK(merit, k).indices };
    });
    const chosen = takeAlongRows(scores, experts);
    const weights = options.renormalize ? normalizeRows(chosen, 1e-20) : chosen;
    const balance = (): Parameters<typeof sequenceLoadBalancing>[0] => {
      const choices = withoutGradients(x.device, () => topK(scores, k).indices);
      // s / sum s as the softmax of ln s, which also exists where every s is too small for f32.
      const probabilities = softmax(negate(softplus(negate(logits))));
      return { probabilities, choices, counts: segmentPlan(choices, count).counts };
    };
    const weight = options.sequenceLossWeight;
    // Equation 18 has the factor 1/k that the loss of Hugging Face leaves out.
    const loss = (): typeof logits => affine(sequenceLoadBalancing(balance(), sequence ?? x.shape[0]!), 1 / k);
    return {
      ...fullChoices(experts, count),
      weights: options.weightScale === 1 ? weights : affine(weights, options.weightScale),
      scores,
      logits,
      losses: training && weight > 0 ? [{ name: 'sequenceBalance', value: loss(), weight }] : [],
      details: { selection },
    };
  },

  afterStep({ options, tensor }, { sums }) {
    if (options.biasRate > 0) updateSelectionBias(tensor(BIAS), sums['counts']!, options.biasRate);
  },
};
