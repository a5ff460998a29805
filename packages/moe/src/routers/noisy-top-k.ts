/**
 * Noisy top-k gating (Shazeer et al. 2017, arXiv 1701.06538, equations 3-5): `H(x) = W x + n * softplus(W_noise x)`, n
 * standard normal in training, no noise in evaluation; the k largest of H; weights the softmax over these.
 *
 * Balanced by two losses, each the squared coefficient of variation over experts: of importance, `sum_x G(x)_e`
 * (equations 6-7), and of load (appendix A, equations 8-11). The load of choices has no gradient, so it is estimated by
 * the probability that e would be chosen if its own noise were drawn again:
 * `P(x, e) = Phi(((W x)_e - kth_excluding(H, k, e)) / softplus(W_noise x)_e)`, where the threshold is the k-th largest
 * of H without that of e. Weights 0.1 each, as in the source's language models. Both matrices start at 0, so that at
 * first noise alone spreads the load. `noiseFloor` is added to the standard deviation, as the authors' code does, so
 * that noise never vanishes.
 *
 * Causal. Training routes by noise that evaluation does not draw.
 */
import {
  add,
  affine,
  divide,
  greater,
  linear,
  multiply,
  scatterAlongRows,
  slice,
  softmax,
  softplus,
  subtract,
  type Tensor,
  topK,
} from '@lpr/tensor';
import { constantSpec, withoutGradients } from '@lpr/tensor/nn';
import { fullChoices } from '../choices.ts';
import { squaredVariation, sumsOfShares } from '../losses/squared-variation.ts';
import type { RouterMethod } from '../method.ts';
import { normalCdf } from '../normal-distribution.ts';
import { drawNoise, type LossTerm } from '../router.ts';

export interface NoisyTopKOptions {
  readonly kind: 'noisyTopK';
  /** The smallest standard deviation of the noise. */
  readonly noiseFloor: number;
  readonly importanceWeight: number;
  readonly loadWeight: number;
}

/** Names of the losses, and of the sums over a batch that they read. */
const IMPORTANCE = 'importance';
const LOAD = 'load';

/**
 * `P(x, e)` `[tokens, M]`, differentiable. `noisy`: H; `largest` `[tokens, k + 1]`: its largest values, in descending
 * order.
 */
function chanceOfChoice(clean: Tensor, deviation: Tensor, noisy: Tensor, largest: Tensor): Tensor {
  const k = largest.shape[1]! - 1;
  const next = slice(largest, 1, k, k + 1);
  const last = slice(largest, 1, k - 1, k);
  // Without a chosen expert the threshold is the next one; without another it stays the last chosen one.
  const chosen = greater(noisy, next);
  const threshold = add(multiply(chosen, next), multiply(affine(chosen, -1, 1), last));
  return normalCdf(divide(subtract(clean, threshold), deviation));
}

export const noisyTopK: RouterMethod<NoisyTopKOptions> = {
  defaults: { kind: 'noisyTopK', noiseFloor: 0.01, importanceWeight: 0.1, loadWeight: 0.1 },
  rules: { noiseFloor: 'positive' },
  traits: () => ({
    reads: { training: 'token', evaluation: 'token' },
    alike: false,
    fillsSlots: true,
    weightSum: 1,
    takesLargest: true,
    onlyTopK: null,
    exactBalance: false,
    pooledLosses: true,
    expertTensors: ['weight', 'noise.weight'],
  }),
  parameters: (_, { hidden, experts }) => [
    constantSpec('weight', [experts, hidden], 0),
    constantSpec('noise.weight', [experts, hidden], 0),
  ],
  route({ options, experts: count, topK: k, tensor }, x, context) {
    const { training, part } = context;
    const clean = linear(x, tensor('weight'));
    const deviation = training ? affine(softplus(linear(x, tensor('noise.weight'))), 1, options.noiseFloor) : null;
    const noisy =
      deviation === null
        ? clean
        : add(clean, multiply(drawNoise('noisyTopK', 'normal', clean, clean.shape, context), deviation));
    // One more than is chosen: the threshold of those that are.
    const largest = topK(noisy, Math.min(k + 1, count));
    const experts = withoutGradients(x.device, () => slice(largest.indices, 1, 0, k));
    const weights = softmax(slice(largest.values, 1, 0, k));
    const losses: LossTerm[] = [];
    const sums: Record<string, Tensor> = {};
    const balance = (name: string, shares: Tensor, weight: number): void => {
      sums[name] = sumsOfShares(shares);
      losses.push({ name, value: squaredVariation(shares, name, part), weight });
    };
    if (training && options.importanceWeight > 0) {
      balance(IMPORTANCE, scatterAlongRows(weights, experts, count), options.importanceWeight);
    }
    // With all experts chosen, loads are equal whatever the noise.
    if (deviation !== null && options.loadWeight > 0 && k < count) {
      balance(LOAD, chanceOfChoice(clean, deviation, noisy, largest.values), options.loadWeight);
    }
    return {
      ...fullChoices(experts, count),
      weights,
      scores: clean,
      losses,
      sums,
      details: { selection: noisy },
    };
  },
};
