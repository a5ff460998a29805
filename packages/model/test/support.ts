/** A small config for the tests of this package. */
import { type DecoderConfig, parseDecoderConfig } from '../src/index.ts';

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

export function smallConfig(changes: Readonly<Record<string, unknown>> = {}): DecoderConfig {
  return parseDecoderConfig({ ...smallJson, ...changes });
}

/** The 0.6B Qwen3-MoE of the paper as its released config has it. */
export const releasedJson = {
  ...smallJson,
  vocab_size: 151_936,
  hidden_size: 1024,
  num_hidden_layers: 6,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  head_dim: 128,
  max_position_embeddings: 1024,
  moe_intermediate_size: 128,
  num_experts: 128,
  num_experts_per_tok: 8,
  mlp_only_layers: [],
} as const;
