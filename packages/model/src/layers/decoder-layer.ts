/**
 * One pre-norm layer: `h += Attention(RMSNorm(h))`, then `h += FeedForward(RMSNorm(h))`, where the latter is a plain
 * MLP or has experts, beside which there may be an MLP for all tokens.
 */
import { createRouter, drawNoise, type LayerOfRanks, MoeLayer, type RouteContext, type Routing } from '@lpr/moe';
import { add, affine, multiply, type Pausing, RandomKey, rmsNorm, scope, type Tensor } from '@lpr/tensor';
import { below, labelled, tensorNamed } from '@lpr/tensor/nn';
import type { DecoderPlan, LayerPlan } from '../plan.ts';
import { type Attention, createAttention, type SequenceLayout } from './attention.ts';
import { GatedMlp } from './gated-mlp.ts';

export interface LayerResult {
  readonly hidden: Tensor;
  /** null in layers without experts. */
  readonly routing: Routing | null;
}

/** Told of an activation by its name as it is computed; it may use the tensor at once, and no longer. */
export type Observer = (name: string, activation: Tensor) => void;

export class DecoderLayer {
  readonly feedForward: MoeLayer | GatedMlp;
  readonly #attention: Attention;
  readonly #shared: GatedMlp | null;
  readonly #inputNorm: Tensor;
  readonly #postAttentionNorm: Tensor;
  readonly #epsilon: number;
  readonly #blockName: string;
  readonly #inputJitter: number;

  /** `tensors` has the names below `model.layers.i.`; `shared`: where several ranks own the layer's experts. */
  constructor(
    plan: LayerPlan,
    decoder: DecoderPlan,
    tensors: ReadonlyMap<string, Tensor>,
    shared: LayerOfRanks | null,
  ) {
    this.#epsilon = decoder.normEpsilon;
    this.#inputNorm = tensorNamed(tensors, 'input_layernorm.weight');
    this.#postAttentionNorm = tensorNamed(tensors, 'post_attention_layernorm.weight');
    this.#attention = createAttention(plan.attention, decoder.rotary, this.#epsilon, below(tensors, 'self_attn.'));
    const { feedForward } = plan;
    this.#blockName = feedForward.name;
    const block = below(tensors, `${feedForward.name}.`);
    if (feedForward.kind === 'dense') {
      this.feedForward = new GatedMlp(block);
      this.#shared = null;
      this.#inputJitter = 0;
    } else {
      const shape = { hidden: decoder.hidden, experts: feedForward.experts, topK: feedForward.topK };
      const router = createRouter(feedForward.router, shape, below(block, 'gate.'));
      this.feedForward = new MoeLayer(router, below(block, 'experts.'), shared);
      this.#shared = feedForward.sharedWidth === 0 ? null : new GatedMlp(below(block, 'shared_experts.'));
      this.#inputJitter = feedForward.inputJitter;
    }
  }

  /**
   * hidden `[batch * sequence, hidden]`; `observe` is told of what is computed on the way, by its name below the
   * layer's.
   */
  *forward(hidden: Tensor, layout: SequenceLayout, context: RouteContext, observe?: Observer): Pausing<LayerResult> {
    const { device } = hidden;
    // A scope of its own frees what attention made before the experts need the room.
    const attended = scope(device, () => {
      const normed = labelled(device, 'norm', () => rmsNorm(hidden, this.#inputNorm, this.#epsilon));
      return labelled(device, 'attention', () => add(hidden, this.#attention.forward(normed, layout)));
    });
    observe?.('self_attn', attended);
    const x = labelled(device, 'norm', () => rmsNorm(attended, this.#postAttentionNorm, this.#epsilon));
    const { feedForward } = this;
    if (feedForward instanceof GatedMlp) {
      return { hidden: labelled(device, 'mlp', () => add(attended, feedForward.forward(x))), routing: null };
    }
    const input = this.#jittered(x, context);
    const { output, routing } = yield* feedForward.forwardPausing(input, context);
    observe?.(`${this.#blockName}.gate`, routing.scores);
    observe?.(`${this.#blockName}.experts.input`, routing.expertInput ?? input);
    const routed = labelled(device, 'experts', () => add(attended, output));
    const shared = this.#shared;
    if (shared === null) return { hidden: routed, routing };
    return { hidden: labelled(device, 'mlp', () => add(routed, shared.forward(x))), routing };
  }

  #jittered(x: Tensor, context: RouteContext): Tensor {
    const { training, noise } = context;
    const jitter = this.#inputJitter;
    if (!training || jitter === 0) return x;
    if (!(noise instanceof RandomKey)) {
      throw new Error('Decoder: jittered inputs draw noise in training; give context.noise, a RandomKey');
    }
    const own = { ...context, noise: noise.fold('inputJitter') };
    const factors = drawNoise('jittered', 'uniform', x, x.shape, own);
    return multiply(x, affine(factors, 2 * jitter, 1 - jitter));
  }
}
