/**
 * Causal self-attention with grouped queries (Ainslie et al. 2023), rotary positions (Su et al. 2021) and, in Qwen3, an RMSNorm over each head of
 * queries and keys.
 */
import { tensorNamed } from '@lpr/moe';
import { causalAttention, linear, reshape, rmsNorm, rotary, type RotaryTables, type Tensor } from '@lpr/tensor';
import type { AttentionPlan } from '../plan.ts';

/** How rows of tokens split into sequences, and the rotary tables for their positions. */
export interface SequenceLayout {
  readonly batch: number;
  readonly sequence: number;
  readonly tables: RotaryTables;
}

export class GroupedQueryAttention {
  readonly #plan: AttentionPlan;
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #normEpsilon: number;

  constructor(plan: AttentionPlan, tensors: ReadonlyMap<string, Tensor>, normEpsilon: number) {
    this.#plan = plan;
    this.#tensors = tensors;
    this.#normEpsilon = normEpsilon;
  }

  /** x `[batch * sequence, hidden]`, sequences one after the other; gives the same shape. */
  forward(x: Tensor, layout: SequenceLayout): Tensor {
    const { heads, keyHeads, headDim, queryKeyNorm } = this.#plan;
    const { batch, sequence, tables } = layout;
    const split = (name: string, count: number): Tensor =>
      reshape(this.#project(name, x), [batch, sequence, count, headDim]);
    const position = (heads: Tensor, norm: string): Tensor =>
      rotary(
        queryKeyNorm ? rmsNorm(heads, tensorNamed(this.#tensors, `${norm}.weight`), this.#normEpsilon) : heads,
        tables,
      );
    const q = position(split('q_proj', heads), 'q_norm');
    const k = position(split('k_proj', keyHeads), 'k_norm');
    const attended = causalAttention(q, k, split('v_proj', keyHeads));
    return this.#project('o_proj', reshape(attended, [batch * sequence, heads * headDim]));
  }

  #project(name: string, x: Tensor): Tensor {
    const bias = this.#plan.bias ? tensorNamed(this.#tensors, `${name}.bias`) : undefined;
    return linear(x, tensorNamed(this.#tensors, `${name}.weight`), bias);
  }
}
