/** The decoders that the page trains: one for each router, alike in all else. */
import { type DecoderConfig, parseDecoderConfig } from '@lpr/model';
import type { Settings } from './settings.ts';

/** Which of the two models: with LPR, or with the router that its architecture has of its own. */
export type Side = 'lpr' | 'own';

/** Tokens of a sequence, sequences of a batch: what one step reads. */
export const SEQUENCE = 64;
export const BATCH = 6;
/** Tokens of the vocabulary, at most: a text may give less. */
export const VOCABULARY = 512;

const HIDDEN = 32;
const HEAD = 16;
const EXPERT_WIDTH = 32;

type Keys = Readonly<Record<string, unknown>>;

/** What each architecture calls its sizes. */
const ARCHITECTURES: Readonly<Record<Settings['architecture'], (settings: Settings) => Keys>> = {
  'qwen3-moe': ({ experts }) => ({
    model_type: 'qwen3_moe',
    head_dim: HEAD,
    num_experts: experts,
    moe_intermediate_size: EXPERT_WIDTH,
    intermediate_size: EXPERT_WIDTH,
    norm_topk_prob: true,
  }),
  mixtral: ({ experts }) => ({
    model_type: 'mixtral',
    head_dim: HEAD,
    num_local_experts: experts,
    intermediate_size: EXPERT_WIDTH,
  }),
  'deepseek-v3': ({ experts }) => ({
    model_type: 'deepseek_v3',
    q_lora_rank: null,
    kv_lora_rank: 2 * HEAD,
    qk_nope_head_dim: HEAD,
    qk_rope_head_dim: HEAD / 2,
    v_head_dim: HEAD,
    n_routed_experts: experts,
    n_shared_experts: 1,
    moe_intermediate_size: EXPERT_WIDTH,
    intermediate_size: EXPERT_WIDTH,
    first_k_dense_replace: 0,
    n_group: 1,
    topk_group: 1,
    routed_scaling_factor: 1,
  }),
};

/**
 * The config of one of the models, whose parts other than the router have the same names and shapes in both, and so
 * start with the same weights.
 *
 * @param vocabulary tokens that the tokenizer knows
 */
export function decoderConfig(settings: Settings, side: Side, vocabulary: number): DecoderConfig {
  const { temperature, biasRate, diversity, auxiliaryLoss } = settings;
  const routing: Keys =
    side === 'lpr'
      ? {
          router_type: 'lpr',
          lpr_options: { temperature, selectionBiasRate: biasRate, diversityWeight: diversity },
        }
      : { output_router_logits: auxiliaryLoss > 0, router_aux_loss_coef: auxiliaryLoss };
  return parseDecoderConfig({
    ...ARCHITECTURES[settings.architecture](settings),
    vocab_size: vocabulary,
    hidden_size: HIDDEN,
    num_hidden_layers: settings.layers,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    num_experts_per_tok: settings.topK,
    max_position_embeddings: SEQUENCE,
    ...routing,
  });
}
