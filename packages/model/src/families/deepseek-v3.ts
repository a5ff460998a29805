/**
 * DeepSeek-V3 (arXiv 2412.19437): latent attention with rotary embedding of neighbouring channels; the first layers are
 * plain MLPs; the others have an MLP for all tokens beside their experts, which sigmoid scores within the best groups
 * of experts choose. LPR in its corrected formulation keeps the groups and the scale of the weights.
 */
import type { RouterOptions } from '@lpr/moe';
import { z } from 'zod';
import type { DecoderPlan, LayerPlan } from '../plan.ts';
import { commonFields, type CommonKeys, commonPlan, expertsChecks, mixture, rotaryTheta } from './common.ts';
import { count, countOrZero, crossCheck, fixed, flag, MOST, notNegative, positive, remark } from './fields.ts';
import { routerChecks, routerOf, type SwitchKeys } from './routing.ts';

export interface DeepseekV3Config extends CommonKeys {
  readonly model_type: 'deepseek_v3';
  readonly attention_bias: boolean;
  /** null: queries are projected without a latent between. */
  readonly q_lora_rank: number | null;
  readonly kv_lora_rank: number;
  readonly qk_nope_head_dim: number;
  readonly qk_rope_head_dim: number;
  readonly v_head_dim: number;
  readonly rope_interleave: boolean;
  /** Width of the first, dense layers. */
  readonly intermediate_size: number;
  readonly first_k_dense_replace: number;
  /** Width of one expert. */
  readonly moe_intermediate_size: number;
  readonly n_routed_experts: number;
  /** The MLP for all tokens is this many experts wide. */
  readonly n_shared_experts: number;
  readonly n_group: number;
  /** Groups of experts that a token can choose from. */
  readonly topk_group: number;
  readonly norm_topk_prob: boolean;
  readonly routed_scaling_factor: number;
  /** Weight of the sequence-wise balance loss of the own router, which Hugging Face leaves out; 1e-4 in the report. */
  readonly aux_loss_alpha: number;
  /**
   * How far the selection bias of the own router moves after each step, which Hugging Face leaves out; 1e-3 in the
   * report.
   */
  readonly router_bias_update_rate: number;
}

const fields = z.strictObject({
  ...commonFields,
  model_type: z.literal('deepseek_v3'),
  // Every head has a key of its own.
  num_key_value_heads: remark(),
  head_dim: remark(),
  qk_head_dim: remark(),
  attention_bias: flag().default(false),
  q_lora_rank: count().nullable().default(1536),
  kv_lora_rank: count().default(512),
  qk_nope_head_dim: count().default(128),
  qk_rope_head_dim: count().default(64),
  v_head_dim: count().default(128),
  rope_interleave: flag().default(true),
  intermediate_size: count(),
  first_k_dense_replace: countOrZero().default(3),
  moe_intermediate_size: count(),
  n_routed_experts: count(),
  n_shared_experts: countOrZero().default(1),
  n_group: count().default(8),
  topk_group: count().default(4),
  norm_topk_prob: flag().default(true),
  routed_scaling_factor: positive().default(2.5),
  scoring_func: fixed('sigmoid'),
  topk_method: fixed('noaux_tc'),
  moe_layer_freq: fixed(1),
  aux_loss_alpha: notNegative().default(0),
  seq_aux: fixed(true),
  router_bias_update_rate: notNegative().default(0.001),
  // Hugging Face reads none of these either.
  ep_size: remark(),
  num_nextn_predict_layers: remark(),
  pretraining_tp: remark(),
  rms_norm_eps: positive().default(1e-6),
  rope_theta: positive().default(10_000),
});

export const deepseekV3Schema: z.ZodObject = fields.superRefine(
  crossCheck<DeepseekV3Config>([
    ...expertsChecks<DeepseekV3Config>('n_routed_experts'),
    ...routerChecks,
    {
      field: 'qk_rope_head_dim',
      expected: () => 'an even number, since rotary embedding turns pairs of channels',
      holds: (config) => config.qk_rope_head_dim % 2 === 0,
    },
    {
      field: 'n_group',
      expected: ({ n_routed_experts: experts }) => `a divisor of n_routed_experts, ${experts}`,
      holds: (config) => config.n_routed_experts % config.n_group === 0,
    },
    {
      field: 'n_shared_experts',
      expected: ({ moe_intermediate_size: width }) =>
        `so many that with moe_intermediate_size, ${width}, they are at most ${MOST} wide`,
      holds: ({ n_shared_experts: experts, moe_intermediate_size: width }) => experts * width <= MOST,
    },
    {
      field: 'topk_group',
      expected: ({ n_group: groups, num_experts_per_tok: k, n_routed_experts: experts }) =>
        `at most n_group, ${groups}, and so many that they hold num_experts_per_tok, ${k}, of the ${experts} experts`,
      holds: ({ router_type: type, n_group: groups, topk_group: kept, n_routed_experts: experts, ...config }) =>
        // Other methods choose among all experts.
        kept <= groups &&
        ((type !== 'vanilla' && type !== 'lpr') || (kept * experts) / groups >= config.num_experts_per_tok),
    },
  ]),
);

/** What LPR takes over from the own router in its corrected formulation, by its switches' names. */
export const deepseekV3KeptKeys: SwitchKeys<'n_group' | 'topk_group' | 'routed_scaling_factor'> = {
  n_group: 'groups',
  topk_group: 'keptGroups',
  routed_scaling_factor: 'weightScale',
};

export function planDeepseekV3(config: DeepseekV3Config): DecoderPlan {
  const attention = {
    kind: 'latent',
    heads: config.num_attention_heads,
    queryRank: config.q_lora_rank,
    keyValueRank: config.kv_lora_rank,
    nopeDim: config.qk_nope_head_dim,
    ropeDim: config.qk_rope_head_dim,
    valueDim: config.v_head_dim,
    bias: config.attention_bias,
  } as const;
  const own = (): RouterOptions => ({
    kind: 'deepSeekV3',
    groups: config.n_group,
    keptGroups: config.topk_group,
    weightScale: config.routed_scaling_factor,
    renormalize: config.norm_topk_prob,
    biasRate: config.router_bias_update_rate,
    sequenceLossWeight: config.aux_loss_alpha,
  });
  const block = { name: 'mlp', matrices: { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' } };
  const dense = (): LayerPlan => ({
    attention,
    feedForward: { ...block, kind: 'dense', width: config.intermediate_size },
  });
  const sparse: LayerPlan = {
    attention,
    feedForward: mixture(
      config,
      {
        ...block,
        width: config.moe_intermediate_size,
        experts: config.n_routed_experts,
        sharedWidth: config.n_shared_experts * config.moe_intermediate_size,
      },
      () => ({ router: routerOf(config, own, deepseekV3KeptKeys), inputJitter: 0 }),
    ),
  };
  return {
    ...commonPlan(config),
    rotary: {
      theta: rotaryTheta(config),
      dim: config.qk_rope_head_dim,
      interleaved: config.rope_interleave,
    },
    layers: Array.from({ length: config.num_hidden_layers }, (_, i) =>
      i < config.first_k_dense_replace ? dense() : sparse,
    ),
  };
}
