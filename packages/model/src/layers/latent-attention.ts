/**
 * Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): the keys and values of all heads are made
 * from one narrow latent a token. Each query and key head has a part without positions and a part turned by them; the
 * turned part of the keys is one for all heads.
 */
import { causalAttention, concatenate, reshape, rmsNorm, rotary, slice, stretch, type Tensor } from '@lpr/tensor';
import { constantSpec, type ParameterSpec, tensorNamed } from '@lpr/tensor/nn';
import type { LatentAttentionPlan, RotaryPlan } from '../plan.ts';
import type { Attention, SequenceLayout } from './attention.ts';
import { project, projection } from './projection.ts';

/** Of the norms of the latents; Hugging Face does not let the config change it. */
const LATENT_NORM_EPSILON = 1e-6;

export function latentAttentionParameters(plan: LatentAttentionPlan, hidden: number): ParameterSpec[] {
  const { heads, queryRank, keyValueRank, nopeDim, ropeDim, valueDim, bias } = plan;
  const queries = heads * (nopeDim + ropeDim);
  return [
    ...(queryRank === null
      ? projection('q_proj', hidden, queries, false)
      : [
          ...projection('q_a_proj', hidden, queryRank, bias),
          constantSpec('q_a_layernorm.weight', [queryRank], 1),
          ...projection('q_b_proj', queryRank, queries, false),
        ]),
    ...projection('kv_a_proj_with_mqa', hidden, keyValueRank + ropeDim, bias),
    constantSpec('kv_a_layernorm.weight', [keyValueRank], 1),
    ...projection('kv_b_proj', keyValueRank, heads * (nopeDim + valueDim), false),
    ...projection('o_proj', heads * valueDim, hidden, bias),
  ];
}

export class LatentAttention implements Attention {
  readonly #plan: LatentAttentionPlan;
  readonly #rotary: RotaryPlan;
  readonly #tensors: ReadonlyMap<string, Tensor>;

  constructor(plan: LatentAttentionPlan, rotaryPlan: RotaryPlan, tensors: ReadonlyMap<string, Tensor>) {
    this.#plan = plan;
    this.#rotary = rotaryPlan;
    this.#tensors = tensors;
  }

  forward(x: Tensor, layout: SequenceLayout): Tensor {
    const { heads, keyValueRank, nopeDim, ropeDim, valueDim } = this.#plan;
    const { batch, sequence, tables, past } = layout;
    const position = { interleaved: this.#rotary.interleaved, offset: past?.length ?? 0 };
    const turned = (each: Tensor): Tensor => rotary(each, tables, position);

    const queries = reshape(this.#queries(x), [batch, sequence, heads, nopeDim + ropeDim]);
    const q = concatenate([slice(queries, 3, 0, nopeDim), turned(slice(queries, 3, nopeDim, nopeDim + ropeDim))], 3);

    const compressed = this.#project('kv_a_proj_with_mqa', x); // [batch * sequence, keyValueRank + ropeDim]
    const latent = this.#norm('kv_a_layernorm', slice(compressed, 1, 0, keyValueRank));
    const sharedKey = turned(
      reshape(slice(compressed, 1, keyValueRank, keyValueRank + ropeDim), [batch, sequence, 1, ropeDim]),
    );
    const both = reshape(this.#project('kv_b_proj', latent), [batch, sequence, heads, nopeDim + valueDim]);
    const k = concatenate([slice(both, 3, 0, nopeDim), stretch(sharedKey, [batch, sequence, heads, ropeDim])], 3);
    const v = slice(both, 3, nopeDim, nopeDim + valueDim);

    const { keys, values } = past?.extend(k, v) ?? { keys: k, values: v };
    const attended = causalAttention(q, keys, values); // [batch, sequence, heads, valueDim]
    return this.#project('o_proj', reshape(attended, [batch * sequence, heads * valueDim]));
  }

  #queries(x: Tensor): Tensor {
    if (this.#plan.queryRank === null) return this.#project('q_proj', x);
    return this.#project('q_b_proj', this.#norm('q_a_layernorm', this.#project('q_a_proj', x)));
  }

  #norm(name: string, x: Tensor): Tensor {
    return rmsNorm(x, tensorNamed(this.#tensors, `${name}.weight`), LATENT_NORM_EPSILON);
  }

  #project(name: string, x: Tensor): Tensor {
    return project(this.#tensors, name, x);
  }
}
