/**
 * Causal self-attention with grouped queries (Ainslie et al. 2023), rotary positions (Su et al. 2021) and, in Qwen3, an
 * RMSNorm over each head of queries and keys.
 */
import { causalAttention, reshape, rmsNorm, rotary, type Tensor } from '@lpr/tensor';
import { constantSpec, type ParameterSpec, tensorNamed } from '@lpr/tensor/nn';
import type { GroupedQueryPlan, RotaryPlan } from '../plan.ts';
import type { Attention, SequenceLayout } from './attention.ts';
import { project, projection } from './projection.ts';

export function groupedQueryParameters(plan: GroupedQueryPlan, hidden: number): ParameterSpec[] {
  const { heads, keyHeads, headDim, bias, queryKeyNorm } = plan;
  return [
    ...projection('q_proj', hidden, heads * headDim, bias),
    ...projection('k_proj', hidden, keyHeads * headDim, bias),
    ...projection('v_proj', hidden, keyHeads * headDim, bias),
    ...(queryKeyNorm ? [constantSpec('q_norm.weight', [headDim], 1), constantSpec('k_norm.weight', [headDim], 1)] : []),
    ...projection('o_proj', heads * headDim, hidden, bias),
  ];
}

export class GroupedQueryAttention implements Attention {
  readonly #plan: GroupedQueryPlan;
  readonly #rotary: RotaryPlan;
  readonly #normEpsilon: number;
  readonly #tensors: ReadonlyMap<string, Tensor>;

  constructor(
    plan: GroupedQueryPlan,
    rotaryPlan: RotaryPlan,
    normEpsilon: number,
    tensors: ReadonlyMap<string, Tensor>,
  ) {
    this.#plan = plan;
    this.#rotary = rotaryPlan;
    this.#normEpsilon = normEpsilon;
    this.#tensors = tensors;
  }

  forward(x: Tensor, layout: SequenceLayout): Tensor {
    const { heads, keyHeads, headDim, queryKeyNorm } = this.#plan;
    const { batch, sequence, tables, past } = layout;
    const position = { interleaved: this.#rotary.interleaved, offset: past?.length ?? 0 };
    const split = (name: string, count: number): Tensor =>
      reshape(project(this.#tensors, name, x), [batch, sequence, count, headDim]);
    const turned = (each: Tensor, norm: string): Tensor => {
      const normed = queryKeyNorm
        ? rmsNorm(each, tensorNamed(this.#tensors, `${norm}.weight`), this.#normEpsilon)
        : each;
      return rotary(normed, tables, position);
    };
    const q = turned(split('q_proj', heads), 'q_norm'); // [batch, sequence, heads, headDim]
    const k = turned(split('k_proj', keyHeads), 'k_norm');
    const v = split('v_proj', keyHeads);
    const { keys, values } = past?.extend(k, v) ?? { keys: k, values: v };
    const attended = causalAttention(q, keys, values);
    return project(this.#tensors, 'o_proj', reshape(attended, [batch * sequence, heads * headDim]));
  }
}
