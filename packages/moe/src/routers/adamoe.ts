/**
 * AdaMoE (Zeng et al. 2024, arXiv 2406.13233): beside the M experts stand m null experts that do nothing; `p =
 * softmax(W x)` over all, the k most probable, weights p of the true ones among them divided by their sum, which is
 * the softmax over their logits alone and exists however small p is. So tokens get 0 to k experts. Balanced by the
 * auxiliary loss over all M + m, in which the loads of null experts are replaced by their mean, so that it does not
 * matter which of them is chosen; weight 0.01.
 *
 * Causal; training and evaluation route alike.
 */
import {
  affine,
  cast,
  concatenate,
  linear,
  mean,
  minimum,
  multiply,
  segmentPlan,
  slice,
  softmax,
  stretch,
  topK,
} from '@lpr/tensor';
import { weightSpec, withoutGradients } from '@lpr/tensor/nn';
import { countEmpty, filledSlots, partialChoices } from '../choices.ts';
import { layerLoadBalancing } from '../losses/load-balancing.ts';
import type { RouterMethod } from '../method.ts';
import type { LossTerm } from '../router.ts';
import { FAR } from '../selection.ts';

export interface AdaMoEOptions {
  readonly kind: 'adamoe';
  /** m. */
  readonly nullExperts: number;
  readonly loadBalancingWeight: number;
}

export const adamoe: RouterMethod<AdaMoEOptions> = {
  defaults: { kind: 'adamoe', nullExperts: 8, loadBalancingWeight: 0.01 },
  rules: { nullExperts: 'count' },
  traits: ({ loadBalancingWeight }) => ({
    reads: { training: 'token', evaluation: 'token' },
    alike: true,
    fillsSlots: false,
    weightSum: 1,
    takesLargest: false,
    onlyTopK: null,
    exactBalance: false,
    pooledLosses: loadBalancingWeight > 0,
    expertTensors: ['weight'],
  }),
  parameters: ({ nullExperts }, { hidden, experts }) => [
    weightSpec('weight', [experts, hidden]),
    weightSpec('null.weight', [nullExperts, hidden]),
  ],
  // Where its loss has made all loads even, those of the null experts too.
  expectedExperts: ({ nullExperts }, { experts, topK: k }) => (k * experts) / (experts + nullExperts),
  route({ options, experts: count, topK: k, tensor }, x, { training, part }) {
    const { nullExperts, loadBalancingWeight: weight } = options;
    const logits = concatenate([linear(x, tensor('weight')), linear(x, tensor('null.weight'))], 1);
    const probabilities = softmax(logits);
    const { values, indices } = topK(logits, k);
    const experts = withoutGradients(x.device, () => cast(minimum(cast(indices, 'f32'), count), 'i32'));
    const filled = filledSlots(experts, count);
    const own = minimum(values, affine(filled, 2 * FAR, -FAR));
    const losses: LossTerm[] = [];
    let sums = {};
    if (training && weight > 0) {
      const counts = withoutGradients(x.device, () => {
        const loads = cast(segmentPlan(indices, count + nullExperts).counts, 'f32');
        const shared = mean(slice(loads, 0, count, count + nullExperts), 0, { keepAxis: true });
        return concatenate([slice(loads, 0, 0, count), stretch(shared, [nullExperts])], 0);
      });
      losses.push({
        name: 'loadBalancing',
        value: layerLoadBalancing({ probabilities, choices: indices, counts }, part?.statistics),
        weight,
      });
      sums = { balance: counts };
    }
    return {
      ...partialChoices(experts, count),
      // The factor is for tokens that chose null experts alone, whose softmax is of no expert.
      weights: multiply(softmax(own), filled),
      scores: affine(slice(logits, 1, 0, count), 1),
      unused: [{ reason: 'null', count: countEmpty(experts, count) }],
      losses,
      sums,
      details: { selection: probabilities },
    };
  },
};
