/**
 * What a decoder consists of, in neutral terms: the form into which every family's config is turned. Sizes, parameters and layers are derived from
 * the plan alone, so a family is one file that fills it in.
 */
import type { LoadBalancingScope, RouterOptions } from '@lpr/moe';

/** Causal self-attention with grouped queries: query head h reads key head `floor(h keyHeads / heads)`. */
export interface AttentionPlan {
  readonly heads: number;
  readonly keyHeads: number;
  readonly headDim: number;
  /** Biases on the q, k, v and o projections. */
  readonly bias: boolean;
  /** RMSNorm over each head of q and k before the rotary embedding. */
  readonly queryKeyNorm: boolean;
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
  readonly topK: number;
  readonly router: RouterOptions;
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
  readonly ropeTheta: number;
  readonly layers: readonly LayerPlan[];
  /** The auxiliary loss over the routers' probabilities; null: none. */
  readonly loadBalancing: { readonly scope: LoadBalancingScope; readonly weight: number } | null;
}
