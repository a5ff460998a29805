/**
 * Mixtral (Jiang et al. 2024, arXiv 2401.04088): grouped-query attention without norms of queries and keys; softmax
 * over all experts, top-k, always renormalised; every layer has experts. In training, the input of the experts may be
 * jittered.
 */
import { z } from 'zod';
import type { DecoderPlan, LayerPlan } from '../plan.ts';
import {
  commonFields,
  commonPlan,
  expertsChecks,
  groupedQueryChecks,
  type GroupedQueryKeys,
  headDimOf,
  mixture,
  rotaryTheta,
} from './common.ts';
import { count, crossCheck, notNegative, positive } from './fields.ts';
import { routerChecks, routerOf } from './routing.ts';

export interface MixtralConfig extends GroupedQueryKeys {
  readonly model_type: 'mixtral';
  /** Width of one expert. */
  readonly intermediate_size: number;
  readonly num_local_experts: number;
  /** Tokens that attention reaches back, where it is so many that all are reached. */
  readonly sliding_window: number | null;
  /** In training, what router and experts read is multiplied by numbers drawn evenly from 1 - this to 1 + this. */
  readonly router_jitter_noise: number;
}

const fields = z.strictObject({
  ...commonFields,
  model_type: z.literal('mixtral'),
  num_key_value_heads: count(),
  head_dim: count().nullish(),
  sliding_window: count().nullable().default(null),
  intermediate_size: count(),
  num_local_experts: count(),
  router_jitter_noise: notNegative().default(0),
  rms_norm_eps: positive().default(1e-5),
  rope_theta: positive().default(1e6),
});

export const mixtralSchema: z.ZodObject = fields.superRefine(
  crossCheck<MixtralConfig>([
    ...expertsChecks<MixtralConfig>('num_local_experts'),
    ...groupedQueryChecks,
    ...routerChecks,
    {
      field: 'sliding_window',
      expected: ({ max_position_embeddings: positions }) =>
        `null, or at least max_position_embeddings, ${positions}: shorter windows are not implemented`,
      holds: ({ sliding_window: window, max_position_embeddings: positions }) => window === null || window >= positions,
    },
  ]),
);

export function planMixtral(config: MixtralConfig): DecoderPlan {
  const headDim = headDimOf(config);
  const layer: LayerPlan = {
    attention: {
      kind: 'groupedQuery',
      heads: config.num_attention_heads,
      keyHeads: config.num_key_value_heads,
      headDim,
      bias: false,
      queryKeyNorm: false,
    },
    feedForward: mixture(
      config,
      {
        name: 'block_sparse_moe',
        matrices: { gate: 'w1', up: 'w3', down: 'w2' },
        width: config.intermediate_size,
        experts: config.num_local_experts,
        sharedWidth: 0,
      },
      () => ({
        router: routerOf(config, () => ({ kind: 'topKSoftmax', renormalize: true })),
        inputJitter: config.router_jitter_noise,
      }),
    ),
  };
  return {
    ...commonPlan(config),
    rotary: { theta: rotaryTheta(config), dim: headDim, interleaved: false },
    layers: Array.from({ length: config.num_hidden_layers }, () => layer),
  };
}
