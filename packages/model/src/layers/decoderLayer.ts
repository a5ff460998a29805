/** One pre-norm layer: `h += Attention(RMSNorm(h))`, then `h += FeedForward(RMSNorm(h))`, where the latter has experts or is a plain MLP. */
import { below, createRouter, labelled, MoeLayer, type RouteContext, type Routing, tensorNamed } from '@lpr/moe';
import { add, rmsNorm, type Tensor } from '@lpr/tensor';
import type { DecoderPlan, LayerPlan } from '../plan.ts';
import { GroupedQueryAttention, type SequenceLayout } from './attention.ts';
import { GatedMlp } from './gatedMlp.ts';

export interface LayerResult {
  readonly hidden: Tensor;
  /** null in layers without experts. */
  readonly routing: Routing | null;
}

export class DecoderLayer {
  readonly feedForward: MoeLayer | GatedMlp;
  readonly #attention: GroupedQueryAttention;
  readonly #inputNorm: Tensor;
  readonly #postAttentionNorm: Tensor;
  readonly #epsilon: number;

  /** `tensors` has the names below `model.layers.i.`. */
  constructor(plan: LayerPlan, decoder: DecoderPlan, tensors: ReadonlyMap<string, Tensor>) {
    this.#epsilon = decoder.normEpsilon;
    this.#inputNorm = tensorNamed(tensors, 'input_layernorm.weight');
    this.#postAttentionNorm = tensorNamed(tensors, 'post_attention_layernorm.weight');
    this.#attention = new GroupedQueryAttention(plan.attention, below(tensors, 'self_attn.'), this.#epsilon);
    const { feedForward } = plan;
    const block = below(tensors, `${feedForward.name}.`);
    if (feedForward.kind === 'dense') {
      this.feedForward = new GatedMlp(block);
    } else {
      const shape = { hidden: decoder.hidden, experts: feedForward.experts, topK: feedForward.topK };
      const router = createRouter(feedForward.router, shape, below(block, 'gate.'));
      this.feedForward = new MoeLayer(router, below(block, 'experts.'));
    }
  }

  /** hidden `[batch * sequence, hidden]`. */
  forward(hidden: Tensor, layout: SequenceLayout, context: RouteContext): LayerResult {
    const { device } = hidden;
    const normed = labelled(device, 'norm', () => rmsNorm(hidden, this.#inputNorm, this.#epsilon));
    const attended = labelled(device, 'attention', () => add(hidden, this.#attention.forward(normed, layout)));
    const x = labelled(device, 'norm', () => rmsNorm(attended, this.#postAttentionNorm, this.#epsilon));
    const { feedForward } = this;
    if (feedForward instanceof GatedMlp) {
      return { hidden: labelled(device, 'mlp', () => add(attended, feedForward.forward(x))), routing: null };
    }
    const { output, routing } = feedForward.forward(x, context);
    return { hidden: labelled(device, 'experts', () => add(attended, output)), routing };
  }
}
