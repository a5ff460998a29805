/**
 * What a decoder consists of, in neutral terms: the form into which every family's config is turned. Sizes, parameters
 * and layers are derived from the plan alone, so a family is one file that fills it in.
 */
import { type LoadBalancingScope, type RouterOptions, routerTraits } from '@lpr/moe';

/** Causal self-attention with grouped queries: query head h reads key head `floor(h keyHeads / heads)`. */
export interface GroupedQueryPlan {
  readonly kind: 'groupedQuery';
  readonly heads: number;
  readonly keyHeads: number;
  readonly headDim: number;
  /** Biases on the q, k, v and o projections. */
  readonly bias: boolean;
  /** RMSNorm over each head of q and k before the rotary embedding. */
  readonly queryKeyNorm: boolean;
}

/**
 * Multi-head latent attention: keys and values are made from one narrow latent a token, beside a rotary key that all
 * heads share.
 */
export interface LatentAttentionPlan {
  readonly kind: 'latent';
  readonly heads: number;
  /** Width of the queries' own latent; null: queries are projected from the token itself. */
  readonly queryRank: number | null;
  /** Width of the latent of keys and values. */
  readonly keyValueRank: number;
  /** Width of the part of each query and key head that knows no positions, and of the part that does. */
  readonly nopeDim: number;
  readonly ropeDim: number;
  readonly valueDim: number;
  /** Biases on the projections to the latents and on the output. */
  readonly bias: boolean;
}

export type AttentionPlan = GroupedQueryPlan | LatentAttentionPlan;

/** Rotary position embedding, the same in all layers. */
export interface RotaryPlan {
  readonly theta: number;
  /** Channels of a head that are turned. */
  readonly dim: number;
  /** Pairs are neighbouring channels instead of channels half a head apart. */
  readonly interleaved: boolean;
}

/** The family's names of a gated MLP's three matrices. */
export interface MlpNames {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

export interface DensePlan {
  readonly kind: 'dense';
  /** Name of the block below the layer. */
  readonly name: string;
  readonly width: number;
  readonly matrices: MlpNames;
}

export interface MoePlan {
  readonly kind: 'moe';
  readonly name: string;
  /** Inner width of one expert. */
  readonly width: number;
  readonly experts: number;
  /** Width of the space that all experts share (latent experts of @lpr/moe); null: they share nothing. */
  readonly expertLatentDim: number | null;
  readonly topK: number;
  readonly router: RouterOptions;
  /** Width of the MLP that every token passes beside its experts; 0: there is none. */
  readonly sharedWidth: number;
  /**
   * In training, what router and experts read is multiplied by numbers drawn evenly from 1 - this to 1 + this; 0:
   * never.
   */
  readonly inputJitter: number;
  readonly matrices: MlpNames;
}

export interface LayerPlan {
  readonly attention: AttentionPlan;
  readonly feedForward: DensePlan | MoePlan;
}

export interface DecoderPlan {
  readonly vocabulary: number;
  readonly hidden: number;
  /** The longest sequence. */
  readonly positions: number;
  readonly normEpsilon: number;
  /** The head is the embedding. */
  readonly tiedHead: boolean;
  /** Standard deviation that weights start with. */
  readonly weightStd: number;
  readonly rotary: RotaryPlan;
  readonly layers: readonly LayerPlan[];
  /** The auxiliary loss over the routers' probabilities; null: none. */
  readonly loadBalancing: { readonly scope: LoadBalancingScope; readonly weight: number } | null;
  /** Of the z-loss of each layer's router, where the family's own logits are a softmax's or sigmoid's; 0: none. */
  readonly zLossWeight: number;
}

/** Whether some term of the loss reads more of a step's batch than means over tokens (`Decoder.poolsLosses`). */
export function poolsLosses({ loadBalancing, layers }: DecoderPlan): boolean {
  return (
    (loadBalancing !== null && loadBalancing.scope !== 'sequence') ||
    layers.some(({ feedForward }) => feedForward.kind === 'moe' && routerTraits(feedForward.router).pooledLosses)
  );
}

/**
 * Experts that a token goes to in each layer of a plan, 0 in those without experts.
 *
 * @param expertsPerToken of each layer with experts; k unless given
 * @throws RangeError when they are not as many as the plan has layers with experts
 */
export function expertsSeen({ layers }: DecoderPlan, expertsPerToken?: readonly number[]): number[] {
  const sparse = layers.filter(({ feedForward }) => feedForward.kind === 'moe').length;
  if (expertsPerToken !== undefined && expertsPerToken.length !== sparse) {
    throw new RangeError(
      `expertsPerToken: got ${expertsPerToken.length} numbers, expected one for each of the ${sparse} layers with experts`,
    );
  }
  let next = 0;
  return layers.map(({ feedForward }) => {
    if (feedForward.kind === 'dense') return 0;
    return expertsPerToken?.[next++] ?? feedForward.topK;
  });
}
