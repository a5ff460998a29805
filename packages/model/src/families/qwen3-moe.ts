/**
 * Qwen3-MoE: grouped-query attention with an RMSNorm over each head of queries and keys; softmax over all experts,
 * top-k, renormalised only with `norm_topk_prob`; some layers may be plain MLPs.
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
import { count, countOrZero, crossCheck, fixed, fixedWhereGiven, flag, positive, remark } from './fields.ts';
import { routerChecks, routerOf } from './routing.ts';

export interface Qwen3MoeConfig extends GroupedQueryKeys {
  readonly model_type: 'qwen3_moe';
  readonly attention_bias: boolean;
  /** Width of layers without experts. */
  readonly intermediate_size: number;
  /** Width of one expert. */
  readonly moe_intermediate_size: number;
  readonly num_experts: number;
  readonly norm_topk_prob: boolean;
  /** Layer i has experts when i + 1 is a multiple of this and i is not listed below. */
  readonly decoder_sparse_step: number;
  readonly mlp_only_layers: readonly number[];
}

const fields = z.strictObject({
  ...commonFields,
  model_type: z.literal('qwen3_moe'),
  num_key_value_heads: count(),
  head_dim: count().nullish(),
  attention_bias: flag().default(false),
  use_sliding_window: fixed(false),
  sliding_window: remark(),
  max_window_layers: remark(),
  intermediate_size: count(),
  moe_intermediate_size: count(),
  num_experts: count(),
  norm_topk_prob: flag().default(false),
  decoder_sparse_step: count().default(1),
  mlp_only_layers: z
    .array(countOrZero(), 'an array of layer numbers')
    .nullable()
    .transform((layers) => layers ?? [])
    .default([]),
  // Of Qwen3-Coder; what they say is what the architecture has anyway.
  use_qk_norm: fixedWhereGiven(true),
  qkv_bias: fixedWhereGiven(false),
  shared_expert_intermediate_size: fixedWhereGiven(0),
  rms_norm_eps: positive().default(1e-6),
  rope_theta: positive().default(10_000),
});

export const qwen3MoeSchema: z.ZodObject = fields.superRefine(
  crossCheck<Qwen3MoeConfig>([...expertsChecks<Qwen3MoeConfig>('num_experts'), ...groupedQueryChecks, ...routerChecks]),
);

export function planQwen3Moe(config: Qwen3MoeConfig): DecoderPlan {
  const headDim = headDimOf(config);
  const attention = {
    kind: 'groupedQuery',
    heads: config.num_attention_heads,
    keyHeads: config.num_key_value_heads,
    headDim,
    bias: config.attention_bias,
    queryKeyNorm: true,
  } as const;
  const block = { name: 'mlp', matrices: { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' } };
  const routed = () => ({
    router: routerOf(config, () => ({ kind: 'topKSoftmax', renormalize: config.norm_topk_prob })),
    inputJitter: 0,
  });
  const dense = new Set(config.mlp_only_layers);
  const layers = Array.from({ length: config.num_hidden_layers }, (_, i): LayerPlan => {
    const sparse = !dense.has(i) && (i + 1) % config.decoder_sparse_step === 0;
    if (!sparse) return { attention, feedForward: { ...block, kind: 'dense', width: config.intermediate_size } };
    const size = { ...block, width: config.moe_intermediate_size, experts: config.num_experts, sharedWidth: 0 };
    return { attention, feedForward: mixture(config, size, routed) };
  });
  return {
    ...commonPlan(config),
    rotary: { theta: rotaryTheta(config), dim: headDim, interleaved: false },
    layers,
  };
}
