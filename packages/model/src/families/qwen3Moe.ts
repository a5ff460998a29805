/**
 * Qwen3-MoE: grouped-query attention with an RMSNorm over each head of queries and keys; softmax over all experts, top-k, renormalised only with
 * `norm_topk_prob`; some layers may be plain MLPs.
 */
import { z } from 'zod';
import type { DecoderPlan, LayerPlan } from '../plan.ts';
import { type CommonKeys, commonFields, count, countOrZero, crossCheck, flag, positive, routerOf } from './fields.ts';

export interface Qwen3MoeConfig extends CommonKeys {
  readonly model_type: 'qwen3_moe';
  readonly head_dim: number;
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
  head_dim: count(),
  intermediate_size: count(),
  moe_intermediate_size: count(),
  num_experts: count(),
  norm_topk_prob: flag().default(false),
  decoder_sparse_step: count().default(1),
  mlp_only_layers: z.array(countOrZero(), 'an array of layer numbers').default([]),
  rms_norm_eps: positive().default(1e-6),
  rope_theta: positive().default(10_000),
});

export const qwen3MoeSchema: z.ZodObject = fields.superRefine(
  crossCheck<Qwen3MoeConfig>([
    {
      field: 'num_experts_per_tok',
      expected: ({ num_experts: experts }) => `at most num_experts, ${experts}`,
      holds: (config) => config.num_experts_per_tok <= config.num_experts,
    },
    {
      field: 'num_attention_heads',
      expected: ({ num_key_value_heads: heads }) => `a multiple of num_key_value_heads, ${heads}`,
      holds: (config) => config.num_attention_heads % config.num_key_value_heads === 0,
    },
    {
      field: 'head_dim',
      expected: () => 'an even number, since rotary embedding turns pairs of channels',
      holds: (config) => config.head_dim % 2 === 0,
    },
  ]),
);

export function planQwen3Moe(config: Qwen3MoeConfig): DecoderPlan {
  const attention = {
    heads: config.num_attention_heads,
    keyHeads: config.num_key_value_heads,
    headDim: config.head_dim,
    bias: config.attention_bias,
    queryKeyNorm: true,
  };
  const shared = { name: 'mlp', matrices: { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' } };
  const layers = Array.from({ length: config.num_hidden_layers }, (_, i): LayerPlan => {
    const sparse = !config.mlp_only_layers.includes(i) && (i + 1) % config.decoder_sparse_step === 0;
    if (!sparse) return { attention, feedForward: { ...shared, kind: 'dense', width: config.intermediate_size } };
    const router = routerOf(config, { kind: 'topKSoftmax', renormalize: config.norm_topk_prob });
    return {
      attention,
      feedForward: {
        ...shared,
        kind: 'moe',
        width: config.moe_intermediate_size,
        experts: config.num_experts,
        topK: config.num_experts_per_tok,
        router,
      },
    };
  });
  const balanced = config.router_type === 'vanilla' && config.output_router_logits;
  return {
    vocabulary: config.vocab_size,
    hidden: config.hidden_size,
    positions: config.max_position_embeddings,
    normEpsilon: config.rms_norm_eps,
    ropeTheta: config.rope_theta,
    layers,
    loadBalancing: balanced ? { scope: config.router_aux_loss_scope, weight: config.router_aux_loss_coef } : null,
  };
}
