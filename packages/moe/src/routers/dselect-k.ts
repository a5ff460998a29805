/**
 * DSelect-k (Hazimeh et al. 2021, arXiv 2106.03760): each of k selectors writes an expert's number in binary with
 * smooth-step functions of x, `r_e = prod_j (bit j of e ? a_j : 1 - a_j)`, and the token's weights are `w = sum_s
 * softmax(W x)_s r_s`. The smooth step is exactly 0 or 1 outside of (-gamma / 2, gamma / 2), gamma = 1, so a token has
 * at most k experts once training has driven the selectors there; before that up to all M. An entropy penalty of weight
 * 1e-6 drives them. Numbers past the last expert, where M is no power of two, wrap around to the first ones (ours; the
 * source pads). No load balancing.
 *
 * Causal; training and evaluation route alike.
 */
import {
  add,
  affine,
  concatenate,
  greater,
  linear,
  log,
  maximum,
  minimum,
  multiply,
  ones,
  reshape,
  slice,
  softmax,
  square,
  sum,
  type Tensor,
  zeros,
} from '@lpr/tensor';
import { weightSpec, withoutGradients } from '@lpr/tensor/nn';
import { compactChoices, countEmpty, partialChoices } from '../choices.ts';
import type { RouterMethod } from '../method.ts';

export interface DSelectKOptions {
  readonly kind: 'dselectK';
  /** Width of the smooth step. */
  readonly gamma: number;
  readonly entropyWeight: number;
}

/** Bits of an expert's number; at least one. */
function bitsOf(experts: number): number {
  return Math.max(1, Math.ceil(Math.log2(experts)));
}

/** 0 up to -gamma / 2, 1 from gamma / 2 on, a cubic with flat ends between. */
export function smoothStep(x: Tensor, gamma: number): Tensor {
  const inside = maximum(minimum(x, gamma / 2), -gamma / 2);
  const slope = affine(square(inside), -2 / gamma ** 3, 1.5 / gamma);
  return affine(multiply(inside, slope), 1, 0.5);
}

/** Bits a `[tokens, k, bits]` to how much of each expert a selector takes, `[tokens, k, M]`; sums to 1. */
function selectorsOf(bits: Tensor, experts: number): Tensor {
  const [tokens = 0, k = 0, width = 0] = bits.shape;
  let codes = ones(bits.device, [tokens, k, 1]);
  for (let bit = 0; bit < width; bit++) {
    const set = slice(bits, 2, bit, bit + 1);
    codes = concatenate([multiply(codes, affine(set, -1, 1)), multiply(codes, set)], 2);
  }
  const beyond = 2 ** width - experts;
  if (beyond === 0) return codes;
  const wrapped = slice(codes, 2, experts, 2 ** width);
  const filler = zeros(bits.device, [tokens, k, experts - beyond]);
  return add(slice(codes, 2, 0, experts), concatenate([wrapped, filler], 2));
}

export const dselectK: RouterMethod<DSelectKOptions> = {
  defaults: { kind: 'dselectK', gamma: 1, entropyWeight: 1e-6 },
  rules: { gamma: 'positive' },
  traits: () => ({
    reads: { training: 'token', evaluation: 'token' },
    alike: true,
    fillsSlots: false,
    weightSum: 1,
    takesLargest: false,
    onlyTopK: null,
    exactBalance: false,
    pooledLosses: false,
    expertTensors: [],
  }),
  parameters: (_, { hidden, experts, topK: k }) => [
    weightSpec('selector.weight', [k * bitsOf(experts), hidden]),
    weightSpec('mixture.weight', [k, hidden]),
  ],
  route({ options, experts: count, topK: k, tensor }, x, { training }) {
    const [tokens = 0] = x.shape;
    const bits = smoothStep(linear(x, tensor('selector.weight')), options.gamma);
    const selectors = selectorsOf(reshape(bits, [tokens, k, bitsOf(count)]), count);
    const mixture = reshape(softmax(linear(x, tensor('mixture.weight'))), [tokens, k, 1]);
    const dense = sum(multiply(selectors, mixture), 1);
    const chosen = withoutGradients(x.device, () => greater(dense, 0));
    const { experts, weights } = compactChoices(dense, chosen, count);
    const weight = options.entropyWeight;
    const entropy = (): Tensor => affine(sum(multiply(selectors, log(affine(selectors, 1, 1e-6)))), -1 / tokens);
    return {
      ...partialChoices(experts, count),
      weights,
      scores: dense,
      unused: [{ reason: 'inactive', count: countEmpty(experts, count) }],
      losses: training && weight > 0 ? [{ name: 'entropy', value: entropy(), weight }] : [],
    };
  },
};
