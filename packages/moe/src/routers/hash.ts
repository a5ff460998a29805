/**
 * Hash layers (Roller et al. 2021, arXiv 2106.04426): a table says to which experts each token of the vocabulary goes,
 * whatever stands around it; weight 1, for k > 1 experts 1/k each. The table is random but balanced: every expert has
 * equally many tokens of the vocabulary (up to 1). Nothing is learned; the load is as even as the tokens' frequencies
 * allow.
 *
 * Causal; training and evaluation route alike. Needs `context.tokenIds`.
 */
import { cast, embedding, full, ones, scatterAlongRows } from '@lpr/tensor';
import { fullChoices } from '../choices.ts';
import type { RouterMethod } from '../method.ts';
import { tokenIdsOf } from '../router.ts';

export interface HashOptions {
  readonly kind: 'hash';
  /** Rows of the table; token ids are below it. */
  readonly vocabulary: number;
}

export const hash: RouterMethod<HashOptions> = {
  defaults: { kind: 'hash', vocabulary: 256 },
  rules: { vocabulary: 'count' },
  traits: () => ({
    reads: { training: 'token', evaluation: 'token' },
    alike: true,
    fillsSlots: true,
    weightSum: 1,
    takesLargest: false,
    onlyTopK: null,
    exactBalance: false,
    pooledLosses: false,
    expertTensors: [],
  }),
  parameters: ({ vocabulary }, { experts, topK: k }) => [
    { name: 'table', shape: [vocabulary, k], initial: { kind: 'balancedTable', values: experts }, trained: false },
  ],
  route({ experts: count, topK: k, tensor }, x, context) {
    const [tokens = 0] = x.shape;
    const experts = cast(embedding(tensor('table'), tokenIdsOf('hash', x, context)), 'i32');
    return {
      ...fullChoices(experts, count),
      weights: full(x.device, [tokens, k], 1 / k),
      scores: scatterAlongRows(ones(x.device, [tokens, k]), experts, count),
      losses: [],
    };
  },
};
