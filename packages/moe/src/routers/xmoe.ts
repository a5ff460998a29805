/**
 * X-MoE (Chi et al. 2022, arXiv 2204.09179): tokens are projected to a narrow space and compared with expert embeddings
 * by cosine, `cos(P x, e) exp(min(tau, ln 100))`, tau learned from ln 2 on; softmax over all experts, the k most
 * probable, renormalised. Its answer to representation collapse, and the nearest forerunner of LPR. Balanced by the
 * auxiliary loss, weight 0.01.
 *
 * Causal; training and evaluation route alike.
 */
import { exp, linear, matmul, minimum, multiply, softmax, topK } from '@lpr/tensor';
import { constantSpec, unitRows, weightSpec } from '@lpr/tensor/nn';
import { fullChoices } from '../choices.ts';
import { type SoftmaxLossOptions, softmaxLosses } from '../losses/softmax-losses.ts';
import type { RouterMethod } from '../method.ts';
import { normalizeRows } from '../selection.ts';

export interface XMoEOptions extends SoftmaxLossOptions {
  readonly kind: 'xmoe';
  /** Width of the space in which cosines are taken. */
  readonly projectionDim: number;
  readonly renormalize: boolean;
}

export const xmoe: RouterMethod<XMoEOptions> = {
  defaults: { kind: 'xmoe', projectionDim: 256, renormalize: true, loadBalancingWeight: 0.01, zLossWeight: 0 },
  rules: { projectionDim: 'count' },
  traits: ({ renormalize, loadBalancingWeight }) => ({
    reads: { training: 'token', evaluation: 'token' },
    alike: true,
    fillsSlots: true,
    weightSum: renormalize ? 1 : null,
    takesLargest: true,
    onlyTopK: null,
    exactBalance: false,
    pooledLosses: loadBalancingWeight > 0,
    expertTensors: ['expert_embeddings'],
  }),
  parameters: ({ projectionDim }, { hidden, experts }) => [
    weightSpec('projection.weight', [projectionDim, hidden]),
    { ...weightSpec('expert_embeddings', [experts, projectionDim]), initial: { kind: 'unitRows' } },
    constantSpec('temperature', [1], Math.LN2),
  ],
  route({ options, experts: count, topK: k, tensor }, x, context) {
    const projected = unitRows(linear(x, tensor('projection.weight')));
    const scale = exp(minimum(tensor('temperature'), Math.log(100)));
    const logits = matmul(projected, multiply(unitRows(tensor('expert_embeddings')), scale), { transposeB: true });
    const probabilities = softmax(logits);
    const { values, indices } = topK(probabilities, k);
    const choices = fullChoices(indices, count);
    const balance = { probabilities, choices: indices, counts: choices.counts };
    return {
      ...choices,
      weights: options.renormalize ? normalizeRows(values) : values,
      scores: logits,
      logits,
      losses: softmaxLosses(context, options, balance, logits),
      balance,
      details: { selection: probabilities },
    };
  },
};
