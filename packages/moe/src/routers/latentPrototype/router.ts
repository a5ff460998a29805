/**
 * Latent Prototype Routing (Yang, arXiv 2506.21328). A small variational encoder maps tokens to a latent space (equations 10-12); each expert
 * owns a prototype there; a token goes to the k experts whose prototypes are most similar to its latent, weighted by the softmax over their k scores.
 * Regularisers spread the latents and prototypes out, so that load spreads as well. `options` says which formulation: see options.ts.
 */
import {
  add,
  affine,
  assign,
  cast,
  exp,
  layerNorm,
  linear,
  matmul,
  multiply,
  segmentPlan,
  sign,
  silu,
  slice,
  softmax,
  subtract,
  sum,
  takeAlongRows,
  type Tensor,
  topK,
} from '@lpr/tensor';
import { withoutGradients } from '../../graph.ts';
import { constantSpec, type ParameterSpec, tensorNamed, weightSpec } from '../../parameters.ts';
import {
  checkRouterShape,
  checkTokens,
  type LossTerm,
  normalNoise,
  type RouteContext,
  type Router,
  type RouterShape,
  type Routing,
} from '../../router.ts';
import { unitRows } from '../../unitRows.ts';
import type { LatentPrototypeOptions } from './options.ts';
import {
  alignmentOfAssignedMeans,
  alignmentOfMixture,
  alignmentOfSums,
  klToStandardNormal,
  orthogonality,
} from './regularizers.ts';

/** Names as the released code has them below the gate; `selection_bias` is ours. */
export function latentPrototypeParameters(options: LatentPrototypeOptions, shape: RouterShape): ParameterSpec[] {
  const { hidden, experts } = shape;
  const { latentDim } = options;
  const specs = [
    constantSpec('norm.weight', [hidden], 1),
    constantSpec('norm.bias', [hidden], 0),
    weightSpec('encoder.weight', [2 * latentDim, hidden]),
    constantSpec('encoder.bias', [2 * latentDim], 0),
    {
      ...weightSpec('expert_keys', [experts, latentDim]),
      initial: options.unitBall ? ({ kind: 'unitRows' } as const) : ({ kind: 'normal', std: 1 } as const),
    },
  ];
  if (options.outProjection) {
    specs.push(weightSpec('out_proj.weight', [hidden, latentDim]), constantSpec('out_proj.bias', [hidden], 0));
  }
  if (options.emaBuffers) {
    specs.push(
      { name: 'ema_sums', shape: [experts, latentDim], initial: { kind: 'copy', of: 'expert_keys' }, trained: false },
      { ...constantSpec('ema_counts', [experts], 0), trained: false },
    );
  }
  if (options.selectionBiasRate > 0) specs.push({ ...constantSpec('selection_bias', [experts], 0), trained: false });
  return specs;
}

interface Encoded {
  readonly mu: Tensor;
  readonly logvar: Tensor;
  /** The sample; mu itself in evaluation and where nothing reads a sample. */
  readonly z: Tensor;
}

export class LatentPrototypeRouter implements Router {
  readonly kind = 'latentPrototype';
  readonly experts: number;
  readonly topK: number;
  readonly options: LatentPrototypeOptions;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly buffers: ReadonlyMap<string, Tensor>;
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #hidden: number;

  constructor(options: LatentPrototypeOptions, shape: RouterShape, tensors: ReadonlyMap<string, Tensor>) {
    checkRouterShape('latentPrototype', shape);
    this.options = options;
    this.experts = shape.experts;
    this.topK = shape.topK;
    this.#hidden = shape.hidden;
    this.#tensors = tensors;
    const named = (trained: boolean): Map<string, Tensor> =>
      new Map(
        latentPrototypeParameters(options, shape)
          .filter((spec) => spec.trained === trained)
          .map(({ name }) => [name, tensorNamed(tensors, name)]),
      );
    this.parameters = named(true);
    this.buffers = named(false);
  }

  route(x: Tensor, context: RouteContext): Routing {
    checkTokens(this.kind, x, this.#hidden);
    const { options } = this;
    const keys = this.#tensor('expert_keys');
    const encoded = this.#encode(x, context);
    const latent = options.scoreFrom === 'z' ? encoded.z : encoded.mu;

    const unitLatents = unitRows(latent);
    const unitKeys = unitRows(keys);
    const scaledKeys = options.temperature === 1 ? unitKeys : affine(unitKeys, options.temperature);
    const scores = matmul(unitLatents, scaledKeys, { transposeB: true });
    const { experts, chosenScores } = this.#select(scores);
    const plan = segmentPlan(experts, this.experts);

    const mixes = options.outProjection || (context.training && options.alignment === 'paper');
    const aggregate = mixes ? matmul(softmax(scores), keys) : null;
    const projected = options.outProjection ? this.#project(aggregate!) : null;

    const losses: LossTerm[] = [];
    const details: Record<string, Tensor> = { ...encoded };
    if (aggregate !== null) details['aggregate'] = aggregate;
    if (projected !== null) details['z_decoded'] = projected;
    if (context.training) {
      const { strength, diversityTarget, diversityWeight, klWeight, alignmentWeight } = options;
      const record = (name: string, value: Tensor, weight: number): void => {
        losses.push({ name, value, weight: strength * weight });
      };
      const diversity = { unit: options.diversityNormalize, reduce: options.diversityReduce };
      const [spreadLatents, spreadKeys] = diversity.unit ? [unitLatents, unitKeys] : [latent, keys];
      if (diversityTarget !== 'keys')
        record('diversityTokens', orthogonality(spreadLatents, diversity), diversityWeight);
      if (diversityTarget !== 'tokens') record('diversityKeys', orthogonality(spreadKeys, diversity), diversityWeight);
      record('kl', klToStandardNormal(encoded.mu, encoded.logvar), klWeight);
      switch (options.alignment) {
        case 'paper':
          record('alignment', alignmentOfMixture(encoded.z, aggregate!), alignmentWeight);
          break;
        case 'official': {
          const { routing, loss } = alignmentOfSums(keys, encoded.z, chosenScores, experts);
          details['routing'] = routing;
          record('alignment', loss, alignmentWeight);
          break;
        }
        case 'assignedMean':
          record('alignment', alignmentOfAssignedMeans(unitKeys, unitLatents, plan), alignmentWeight);
      }
    }
    return {
      experts,
      weights: softmax(chosenScores),
      scores,
      plan,
      losses,
      details,
      ...(projected === null ? {} : { expertInput: add(x, projected) }),
    };
  }

  /** `b += rate * sign(mean load - load)` (Wang et al. 2024, arXiv 2408.15664). */
  afterStep(counts: Tensor): void {
    const bias = this.buffers.get('selection_bias');
    if (bias === undefined) return;
    withoutGradients(bias.device, () => {
      const load = cast(counts, 'f32');
      // Compared as whole numbers, M times the mean, so that rounding never moves a balanced expert.
      const missing = sign(subtract(sum(load), affine(load, this.experts)));
      assign(bias, add(bias, affine(missing, this.options.selectionBiasRate)));
    });
  }

  #encode(x: Tensor, context: RouteContext): Encoded {
    const { latentDim, scoreFrom, alignment } = this.options;
    const normed = layerNorm(x, this.#tensor('norm.weight'), this.#tensor('norm.bias'));
    const both = linear(silu(normed), this.#tensor('encoder.weight'), this.#tensor('encoder.bias'));
    const mu = slice(both, 1, 0, latentDim);
    const logvar = slice(both, 1, latentDim, 2 * latentDim);
    const samples = context.training && (scoreFrom === 'z' || alignment !== 'assignedMean');
    if (!samples) return { mu, logvar, z: mu };
    const noise = normalNoise(this.kind, mu, mu.shape, context.noise);
    return { mu, logvar, z: add(mu, multiply(noise, exp(affine(logvar, 0.5)))) };
  }

  /** The k best experts of each token by score plus bias, and their scores without it. */
  #select(scores: Tensor): { experts: Tensor; chosenScores: Tensor } {
    const bias = this.buffers.get('selection_bias');
    if (bias === undefined) {
      const { values, indices } = topK(scores, this.topK);
      return { experts: indices, chosenScores: values };
    }
    const experts = withoutGradients(scores.device, () => topK(add(scores, bias), this.topK).indices);
    return { experts, chosenScores: takeAlongRows(scores, experts) };
  }

  #project(aggregate: Tensor): Tensor {
    return linear(aggregate, this.#tensor('out_proj.weight'), this.#tensor('out_proj.bias'));
  }

  #tensor(name: string): Tensor {
    return tensorNamed(this.#tensors, name);
  }
}
