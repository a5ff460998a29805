/** Small configs for the tests of this package, and those of the paper. */
import { routerMethods, type RouterOptions, routerTraits, topKFor } from '@lpr/moe';
import { type Device, type Tensor, tensor } from '@lpr/tensor';
import { ConfigError, type DecoderConfig, parseDecoderConfig } from '../src/index.ts';

export const smallJson = {
  model_type: 'qwen3_moe',
  vocab_size: 61,
  hidden_size: 24,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 8,
  max_position_embeddings: 32,
  intermediate_size: 20,
  moe_intermediate_size: 12,
  num_experts: 6,
  num_experts_per_tok: 2,
  norm_topk_prob: true,
  mlp_only_layers: [0],
} as const;

export const smallMixtralJson = {
  model_type: 'mixtral',
  vocab_size: 61,
  hidden_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 32,
  intermediate_size: 12,
  num_local_experts: 6,
  num_experts_per_tok: 2,
} as const;

export const smallDeepseekJson = {
  model_type: 'deepseek_v3',
  vocab_size: 61,
  hidden_size: 24,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  max_position_embeddings: 32,
  q_lora_rank: 10,
  kv_lora_rank: 12,
  qk_nope_head_dim: 6,
  qk_rope_head_dim: 4,
  v_head_dim: 5,
  intermediate_size: 20,
  first_k_dense_replace: 1,
  moe_intermediate_size: 12,
  n_routed_experts: 6,
  n_shared_experts: 2,
  num_experts_per_tok: 2,
  n_group: 3,
  topk_group: 2,
} as const;

/** One config of each family, the small sizes with some changes. */
export function familyConfig(
  family: DecoderConfig['model_type'],
  changes: Readonly<Record<string, unknown>> = {},
): DecoderConfig {
  const json = { qwen3_moe: smallJson, mixtral: smallMixtralJson, deepseek_v3: smallDeepseekJson }[family];
  return parseDecoderConfig({ ...json, ...changes });
}

export function smallConfig(changes: Readonly<Record<string, unknown>> = {}): DecoderConfig {
  return parseDecoderConfig({ ...smallJson, ...changes });
}

/** What the check of a config says: every fault, or 'accepted'. */
export function messageOf(json: unknown): string {
  try {
    parseDecoderConfig(json);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

/** The 0.6B models of the paper as their released configs have them. */
const releasedSizes = {
  vocab_size: 151_936,
  hidden_size: 1024,
  num_hidden_layers: 6,
  num_experts_per_tok: 8,
  max_position_embeddings: 1024,
} as const;

export const releasedJson = {
  ...smallJson,
  ...releasedSizes,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  head_dim: 128,
  moe_intermediate_size: 128,
  num_experts: 128,
  mlp_only_layers: [],
} as const;

export const releasedMixtralJson = {
  ...smallMixtralJson,
  ...releasedSizes,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  head_dim: 64,
  intermediate_size: 128,
  num_local_experts: 128,
} as const;

export const releasedDeepseekJson = {
  ...smallDeepseekJson,
  ...releasedSizes,
  num_attention_heads: 8,
  q_lora_rank: 1536,
  kv_lora_rank: 512,
  qk_nope_head_dim: 128,
  qk_rope_head_dim: 64,
  v_head_dim: 128,
  first_k_dense_replace: 0,
  moe_intermediate_size: 110,
  n_routed_experts: 128,
  n_shared_experts: 5,
  n_group: 8,
  topk_group: 6,
} as const;

/** Every method of @lpr/moe with its defaults. */
export const methods: readonly RouterOptions[] = Object.values(routerMethods).map(({ defaults }) => defaults);

/** The keys of a config that ask for a method, with `topK` experts a token where it lets one choose. */
export function routerKeys(options: RouterOptions, topK: number, experts = 6): Readonly<Record<string, unknown>> {
  return {
    router_type: options.kind === 'latentPrototype' ? 'lpr' : options.kind,
    num_experts_per_tok: topKFor(routerTraits(options), { experts, topK }),
  };
}

/** Some ids and labels `[batch, sequence]`, the same at every call. */
export function randomBatch(
  on: Device,
  config: DecoderConfig,
  batch: number,
  sequence: number,
): { inputIds: Tensor; labels: Tensor } {
  const ids = Int32Array.from({ length: batch * sequence }, (_, i) => (i * 7919) % config.vocab_size);
  return {
    inputIds: tensor(on, ids, [batch, sequence]),
    labels: tensor(
      on,
      ids.map((id) => (id * 31) % config.vocab_size),
      [batch, sequence],
    ),
  };
}
