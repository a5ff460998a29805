/** From a run's settings to the decoder's configuration, with the keys of Hugging Face `config.json`. */
import { type DecoderConfig, parseDecoderConfig } from '@lpr/model';
import type { Architecture, Settings } from './schema.ts';

type Keys = Readonly<Record<string, unknown>>;

const FAMILIES: Readonly<Record<Architecture, (size: Settings['size']) => Keys>> = {
  'qwen3-moe': (size) => ({
    model_type: 'qwen3_moe',
    head_dim: size.headDim,
    num_experts: size.experts,
    moe_intermediate_size: size.expertWidth,
    // Of layers without experts, of which there are none.
    intermediate_size: size.expertWidth,
    // So that the weights of the chosen experts sum to 1, as those of LPR do.
    norm_topk_prob: true,
  }),
  mixtral: (size) => ({
    model_type: 'mixtral',
    head_dim: size.headDim,
    num_local_experts: size.experts,
    intermediate_size: size.expertWidth,
  }),
  'deepseek-v3': (size) => ({
    model_type: 'deepseek_v3',
    q_lora_rank: null,
    kv_lora_rank: 2 * size.headDim,
    qk_nope_head_dim: size.headDim,
    qk_rope_head_dim: size.headDim / 2,
    v_head_dim: size.headDim,
    n_routed_experts: size.experts,
    n_shared_experts: 1,
    moe_intermediate_size: size.expertWidth,
    intermediate_size: size.expertWidth,
    first_k_dense_replace: 0,
    n_group: 1,
    topk_group: 1,
    norm_topk_prob: true,
    routed_scaling_factor: 1,
  }),
};

const TITLES: Readonly<Record<Architecture, string>> = {
  'qwen3-moe': 'Qwen3-MoE',
  mixtral: 'Mixtral',
  'deepseek-v3': 'DeepSeek-V3',
};

/**
 * What figures and tables call a model: "Qwen3-MoE" with its own router, "Qwen3-MoE-LPR", "Qwen3-MoE-LPR (paper)",
 * "Qwen3-MoE, sinkhorn".
 */
export function modelTitle(architecture: Architecture, router: string): string {
  if (router === 'top-k') return TITLES[architecture];
  const [, formulation] = /^lpr-?(.*)$/.exec(router) ?? [];
  if (formulation === undefined) return `${TITLES[architecture]}, ${router}`;
  return `${TITLES[architecture]}-LPR${formulation === '' ? '' : ` (${formulation})`}`;
}

/**
 * @param vocabulary ids that the tokenizer gives: the rows of the embedding
 * @throws ConfigError when a size does not fit the architecture
 */
export function decoderConfig(settings: Settings, vocabulary: number): DecoderConfig {
  const { architecture, router, size, data, balancing, lpr, method, model } = settings;
  return parseDecoderConfig({
    ...FAMILIES[architecture](size),
    vocab_size: vocabulary,
    hidden_size: size.hidden,
    num_hidden_layers: size.layers,
    num_attention_heads: size.heads,
    num_key_value_heads: size.keyValueHeads,
    num_experts_per_tok: size.topK,
    max_position_embeddings: data.sequenceLength,
    ...(lpr === undefined ? {} : { router_type: 'lpr', lpr_options: lpr }),
    ...(method === undefined ? {} : { router_type: router, router_options: method }),
    ...(balancing === undefined
      ? {}
      : {
          router_type: 'vanilla',
          output_router_logits: balancing.auxiliaryLoss > 0,
          router_aux_loss_coef: balancing.auxiliaryLoss,
        }),
    ...model,
  });
}
