/**
 * What the two kinds of self-attention have in common: their place in a layer and the keys and values that they
 * remember.
 */
import type { RotaryTables, Tensor } from '@lpr/tensor';
import type { ParameterSpec } from '@lpr/tensor/nn';
import type { AttentionPlan, RotaryPlan } from '../plan.ts';
import { GroupedQueryAttention, groupedQueryParameters } from './grouped-query-attention.ts';
import type { KeysAndValues } from './key-value-cache.ts';
import { LatentAttention, latentAttentionParameters } from './latent-attention.ts';

/** How rows of tokens split into sequences, and what turns them by their positions. */
export interface SequenceLayout {
  readonly batch: number;
  readonly sequence: number;
  readonly tables: RotaryTables;
  /** What was read before these tokens, which come after it; null: nothing. */
  readonly past: LayerPast | null;
}

/** What a layer remembers of earlier tokens. */
export interface LayerPast {
  /** Tokens of each sequence. */
  readonly length: number;
  /** Remembers the keys and values of these tokens too; gives those of all. */
  extend(keys: Tensor, values: Tensor): KeysAndValues;
}

export interface Attention {
  /** x `[batch * sequence, hidden]`, sequences one after the other; gives the same shape. */
  forward(x: Tensor, layout: SequenceLayout): Tensor;
}

/** The tensors below `self_attn.`, in the order of the forward pass. */
export function attentionParameters(plan: AttentionPlan, hidden: number): ParameterSpec[] {
  return plan.kind === 'latent' ? latentAttentionParameters(plan, hidden) : groupedQueryParameters(plan, hidden);
}

/** Attention over the tensors that `attentionParameters` names. */
export function createAttention(
  plan: AttentionPlan,
  rotary: RotaryPlan,
  normEpsilon: number,
  tensors: ReadonlyMap<string, Tensor>,
): Attention {
  return plan.kind === 'latent'
    ? new LatentAttention(plan, rotary, tensors)
    : new GroupedQueryAttention(plan, rotary, normEpsilon, tensors);
}
