/** What the configs and plans of all or several families have in common. */
import { WEIGHT_STD } from '@lpr/tensor/nn';
import { z } from 'zod';
import type { DecoderPlan, DensePlan, MoePlan } from '../plan.ts';
import { count, type CrossCheck, fixed, fixedWhereGiven, flag, positive, remark } from './fields.ts';
import { routerFields, type RouterKeys } from './routing.ts';

/** What all families have in common. */
export interface CommonKeys extends RouterKeys {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_experts_per_tok: number;
  /** Width of the space that the experts of a layer share (MoLAE); left out, experts share nothing. Ours. */
  readonly expert_latent_dim?: number | undefined;
  readonly max_position_embeddings: number;
  /** The head is the embedding. */
  readonly tie_word_embeddings: boolean;
  /** Standard deviation that weights start with. */
  readonly initializer_range: number;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  readonly rope_parameters?: { readonly rope_theta: number } | undefined;
}

/** Keys that are written into `config.json` as they are, for those who read it elsewhere. */
const noteFields = {
  use_cache: remark(),
  auto_map: remark(),
  _name_or_path: remark(),
  transformers_version: remark(),
  bos_token_id: remark(),
  eos_token_id: remark(),
  pad_token_id: remark(),
};

export const noteKeys: readonly string[] = Object.keys(noteFields);

/** More than any model has, and few enough that a plan of all of them is made at once. */
const MOST_LAYERS = 4096;
const MOST_EXPERTS = 2 ** 16;

/** null where a key may be left out says no more than that. */
const leftOut = <Value>(value: Value): NonNullable<Value> | undefined => value ?? undefined;

/** Their checks, for `z.strictObject`. Types are those of `CommonKeys`. */
export const commonFields: Readonly<Record<string, z.ZodType>> = {
  ...routerFields,
  vocab_size: count(),
  hidden_size: count(),
  num_hidden_layers: count(MOST_LAYERS),
  num_attention_heads: count(),
  num_experts_per_tok: count(),
  expert_latent_dim: count().optional(),
  max_position_embeddings: count(),
  hidden_act: fixed('silu'),
  tie_word_embeddings: flag().default(false),
  rope_scaling: z
    .union([z.null(), z.strictObject({ rope_type: z.literal('default') })], 'null, the only value that is implemented')
    .transform(() => null)
    .default(null),
  rope_parameters: z
    .strictObject({ rope_theta: positive(), rope_type: fixed('default') }, 'an object of rope_theta and rope_type')
    .nullish()
    .transform(leftOut),
  quantization_config: z
    .null('null: load the weights as floating-point numbers and save them so, since quantized ones are not read')
    .optional()
    .transform(leftOut),
  attention_dropout: fixed(0),
  initializer_range: positive().default(WEIGHT_STD),
  ...noteFields,
  // Of the file that was read: what is saved says it anew.
  architectures: remark(),
  torch_dtype: remark(),
  dtype: remark(),
  // Of transformers and those who train with it: what is returned and from where, never what it is.
  return_dict: remark(),
  output_hidden_states: remark(),
  output_attentions: remark(),
  is_decoder: fixedWhereGiven(false),
  _attn_implementation_autoset: remark(),
  unsloth_fixed: remark(),
  unsloth_version: remark(),
};

/** The parts of a plan that every family fills in alike. */
export function commonPlan(config: CommonKeys): Omit<DecoderPlan, 'layers' | 'rotary'> {
  const balanced = config.router_type === 'vanilla' && config.output_router_logits;
  return {
    vocabulary: config.vocab_size,
    hidden: config.hidden_size,
    positions: config.max_position_embeddings,
    normEpsilon: config.rms_norm_eps,
    tiedHead: config.tie_word_embeddings,
    weightStd: config.initializer_range,
    zLossWeight: config.router_type === 'vanilla' ? config.router_z_loss_coef : 0,
    loadBalancing: balanced ? { scope: config.router_aux_loss_scope, weight: config.router_aux_loss_coef } : null,
  };
}

/**
 * What a layer with experts has behind its attention: a plain MLP of the size that is active for a token where a config
 * has `router_type: 'dense'`. `routed` is asked only where there is something to route.
 */
export function mixture(
  config: CommonKeys,
  size: Omit<MoePlan, 'kind' | 'topK' | 'expertLatentDim' | keyof RoutedPart>,
  routed: () => RoutedPart,
): MoePlan | DensePlan {
  const { num_experts_per_tok: topK, router_type: type } = config;
  const { name, matrices, width, sharedWidth } = size;
  if (type === 'dense') return { kind: 'dense', name, matrices, width: topK * width + sharedWidth };
  return { ...size, ...routed(), kind: 'moe', topK, expertLatentDim: config.expert_latent_dim ?? null };
}

type RoutedPart = Pick<MoePlan, 'router' | 'inputJitter'>;

/** The base of the rotary angles; transformers 5 writes it into `rope_parameters`, which wins. */
export function rotaryTheta(config: CommonKeys): number {
  return config.rope_parameters?.rope_theta ?? config.rope_theta;
}

/** Keys of families with grouped queries. */
export interface GroupedQueryKeys extends CommonKeys {
  readonly num_key_value_heads: number;
  /** `hidden_size / num_attention_heads` unless given. */
  readonly head_dim?: number | null | undefined;
}

export function headDimOf(config: GroupedQueryKeys): number {
  return config.head_dim ?? config.hidden_size / config.num_attention_heads;
}

export const groupedQueryChecks: readonly CrossCheck<GroupedQueryKeys>[] = [
  {
    field: 'num_attention_heads',
    expected: ({ num_key_value_heads: heads }) => `a multiple of num_key_value_heads, ${heads}`,
    holds: (config) => config.num_attention_heads % config.num_key_value_heads === 0,
  },
  {
    field: 'head_dim',
    expected: ({ hidden_size: hidden, num_attention_heads: heads }) =>
      'an even number, since rotary embedding turns pairs of channels; left out, it is ' +
      `hidden_size / num_attention_heads, ${hidden} / ${heads}`,
    holds: (config) => headDimOf(config) % 2 === 0,
  },
];

/** No token can see an expert twice, and each expert has a name. `field` counts the experts of a layer. */
export function expertsChecks<Config extends CommonKeys>(field: keyof Config & string): CrossCheck<Config>[] {
  return [
    {
      field: 'num_experts_per_tok',
      expected: (config) => `at most ${field}, ${String(config[field])}`,
      holds: (config) => config.num_experts_per_tok <= (config[field] as number),
    },
    {
      field,
      expected: ({ num_hidden_layers: layers }) =>
        `at most ${MOST_EXPERTS} experts in all of num_hidden_layers, ${layers}`,
      holds: (config) => (config[field] as number) * config.num_hidden_layers <= MOST_EXPERTS,
    },
  ];
}
