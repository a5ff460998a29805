/** What the configs and plans of several families have in common beyond single fields. */
import type { DecoderPlan } from '../plan.ts';
import type { CommonKeys, CrossCheck } from './fields.ts';

/** The parts of a plan that every family fills in alike. */
export function commonPlan(config: CommonKeys): Omit<DecoderPlan, 'layers' | 'rotary'> {
  const balanced = config.router_type === 'vanilla' && config.output_router_logits;
  return {
    vocabulary: config.vocab_size,
    hidden: config.hidden_size,
    positions: config.max_position_embeddings,
    normEpsilon: config.rms_norm_eps,
    loadBalancing: balanced ? { scope: config.router_aux_loss_scope, weight: config.router_aux_loss_coef } : null,
  };
}

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

/** No token can see an expert twice. `field` counts the experts of a layer. */
export function expertsCheck<Config extends CommonKeys>(field: keyof Config & string): CrossCheck<Config> {
  return {
    field: 'num_experts_per_tok',
    expected: (config) => `at most ${field}, ${String(config[field])}`,
    holds: (config) => config.num_experts_per_tok <= (config[field] as number),
  };
}
