/**
 * The linear router of Mixtral and Qwen3-MoE: softmax over all experts, the k most probable ones, renormalised or not. Balanced, if at all, by
 * the auxiliary loss over its probabilities (losses/loadBalancing.ts).
 */
import { divide, linear, segmentPlan, softmax, sum, type Tensor, topK } from '@lpr/tensor';
import { type ParameterSpec, tensorNamed, weightSpec } from '../parameters.ts';
import { checkRouterShape, checkTokens, type Router, type RouterShape, type Routing } from '../router.ts';

export interface TopKSoftmaxOptions {
  readonly kind: 'topKSoftmax';
  /** Divide the k probabilities by their sum (Mixtral; Qwen3 with `norm_topk_prob`). */
  readonly renormalize: boolean;
}

export function topKSoftmaxParameters({ hidden, experts }: RouterShape): ParameterSpec[] {
  return [weightSpec('weight', [experts, hidden])];
}

export class TopKSoftmaxRouter implements Router {
  readonly kind = 'topKSoftmax';
  readonly experts: number;
  readonly topK: number;
  readonly options: TopKSoftmaxOptions;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly buffers: ReadonlyMap<string, Tensor> = new Map();
  readonly #weight: Tensor;
  readonly #hidden: number;

  constructor(options: TopKSoftmaxOptions, shape: RouterShape, tensors: ReadonlyMap<string, Tensor>) {
    checkRouterShape('topKSoftmax', shape);
    this.options = options;
    this.experts = shape.experts;
    this.topK = shape.topK;
    this.#hidden = shape.hidden;
    this.#weight = tensorNamed(tensors, 'weight');
    this.parameters = new Map([['weight', this.#weight]]);
  }

  route(x: Tensor): Routing {
    checkTokens(this.kind, x, this.#hidden);
    const logits = linear(x, this.#weight);
    const probabilities = softmax(logits);
    const { values, indices } = topK(probabilities, this.topK);
    return {
      experts: indices,
      weights: this.options.renormalize ? divide(values, sum(values, -1, { keepAxis: true })) : values,
      scores: logits,
      plan: segmentPlan(indices, this.experts),
      losses: [],
      probabilities,
    };
  }

  afterStep(): void {
    // Nothing changes outside of the gradient.
  }
}
