/**
 * The decoder: embedding, layers, final norm and head, with its losses. It follows the mathematics of Hugging Face
 * transformers; which family it is only shows in the plan made from its config.
 */
import {
  auxiliaryCounts,
  AUXILIARY,
  type ExpertRanks,
  loadBalancingLosses,
  MoeLayer,
  type Router,
  type Routing,
  type RoutingStatistics,
  statisticsOf,
  totalLoss,
  zLoss,
} from '@lpr/moe';
import {
  assign,
  atOnce,
  type Device,
  embedding,
  keep,
  linear,
  linearCrossEntropy,
  type Pausing,
  pausingScope,
  RandomKey,
  reshape,
  rmsNorm,
  rotaryTables,
  type RotaryTables,
  scope,
  slice,
  type Tensor,
} from '@lpr/tensor';
import { below, createParameters, labelled, tensorNamed } from '@lpr/tensor/nn';
import { type DecoderConfig, planDecoder } from './families/index.ts';
import {
  type DecoderBatch,
  type DecoderContext,
  type DecoderOutput,
  type DecoderPart,
  type LayerLoss,
  routeContext,
} from './forward.ts';
import { DecoderLayer, type Observer } from './layers/decoder-layer.ts';
import type { KeyValueCache } from './layers/key-value-cache.ts';
import { decoderParameters, type ModelParameter } from './parameters.ts';
import { type DecoderPlan, poolsLosses } from './plan.ts';

/** A model on a device: what its plan says, computed by its tensors. */
export class Decoder {
  readonly config: DecoderConfig;
  readonly plan: DecoderPlan;
  readonly device: Device;
  /**
   * Trained tensors in the order of the forward pass; experts are stacked (`...mlp.experts.gate_up_proj` `[M, 2I, H]`).
   */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Untrained state that a checkpoint holds. */
  readonly buffers: ReadonlyMap<string, Tensor>;
  /** What each parameter and buffer is called in a checkpoint. */
  readonly layout: readonly ModelParameter[];
  /** The ranks that own the experts together; null where they all lie here. */
  readonly experts: ExpertRanks | null;
  /** Numbers of the layers with experts, in the order of `counts` and `routings`. */
  readonly moeLayers: readonly number[];
  readonly #layers: readonly DecoderLayer[];
  readonly #tensors: ReadonlyMap<string, Tensor>;
  #tables: RotaryTables | null = null;

  /** Use `createDecoder`. `tensors` holds those that `decoderParameters` names. */
  constructor(
    config: DecoderConfig,
    device: Device,
    tensors: ReadonlyMap<string, Tensor>,
    experts: ExpertRanks | null = null,
  ) {
    this.config = config;
    this.device = device;
    this.plan = planDecoder(config);
    this.layout = decoderParameters(this.plan, experts);
    this.experts = experts;
    this.#tensors = tensors;
    this.moeLayers = this.plan.layers.flatMap(({ feedForward }, i) => (feedForward.kind === 'moe' ? [i] : []));
    this.#layers = this.plan.layers.map((layer, i) => {
      const shared = experts && { ranks: experts, layer: this.moeLayers.indexOf(i) };
      return new DecoderLayer(layer, this.plan, below(tensors, `model.layers.${i}.`), shared);
    });
    const named = (trained: boolean): Map<string, Tensor> =>
      new Map(
        this.layout.filter((spec) => spec.trained === trained).map(({ name }) => [name, tensorNamed(tensors, name)]),
      );
    this.parameters = named(true);
    this.buffers = named(false);
  }

  /** The mixtures of the layers with experts. */
  get mixtures(): readonly MoeLayer[] {
    return this.#layers.flatMap(({ feedForward }) => (feedForward instanceof MoeLayer ? [feedForward] : []));
  }

  /** The routers of the layers with experts. */
  get routers(): readonly Router[] {
    return this.mixtures.map(({ router }) => router);
  }

  /** Losses and routings of a batch. Call it inside a scope: `backward` and what is returned live until that ends. */
  forward(batch: DecoderBatch, context: DecoderContext): DecoderOutput {
    return atOnce(this.forwardPausing(batch, context));
  }

  /** As `forward`, wherever the experts lie. */
  *forwardPausing(batch: DecoderBatch, context: DecoderContext): Pausing<DecoderOutput> {
    const { inputIds, labels } = batch;
    if (labels.size !== inputIds.size) {
      throw new RangeError(
        `Decoder: inputIds [${inputIds.shape.join(', ')}] and labels [${labels.shape.join(', ')}] must have one shape`,
      );
    }
    const { hidden, routings } = yield* this.#transform(inputIds, context);
    const { loss: taskLoss } = labelled(this.device, 'head', () =>
      linearCrossEntropy(hidden, this.#headWeight, reshape(labels, [labels.size])),
    );
    hidden.dispose();
    const losses = context.training ? this.#losses(routings, inputIds.shape[1]!, context.part) : [];
    return {
      taskLoss,
      totalLoss: labelled(this.device, 'router', () => totalLoss(taskLoss, losses)),
      losses,
      counts: routings.map(({ counts }) => counts),
      routings,
      statistics: context.training ? labelled(this.device, 'router', () => routings.map(statisticsOf)) : [],
    };
  }

  /**
   * Whether some term of the loss reads more of the step's batch than means over tokens. Gradients of such terms do not
   * depend on how the batch is split into parts when every part is surveyed before the first is differentiated, at the
   * cost of one more forward pass.
   */
  get poolsLosses(): boolean {
    return poolsLosses(this.plan);
  }

  /**
   * What the losses of the other parts need to know of this part of a step's batch, a layer each. `context` is that of
   * `forward`, without statistics. No gradients, no cross entropy.
   */
  survey(inputIds: Tensor, context: DecoderContext & { readonly part: DecoderPart }): RoutingStatistics[] {
    return atOnce(this.surveyPausing(inputIds, context));
  }

  /** As `survey`, wherever the experts lie. */
  *surveyPausing(
    inputIds: Tensor,
    context: DecoderContext & { readonly part: DecoderPart },
  ): Pausing<RoutingStatistics[]> {
    return yield* this.#routed(inputIds, context, (routing) => {
      const own = statisticsOf(routing);
      if (this.plan.loadBalancing === null) return own;
      return { ...own, sums: { ...own.sums, [AUXILIARY]: auxiliaryCounts(routing) } };
    });
  }

  /**
   * How i32 `[batch, sequence]` is routed in evaluation, a layer with experts each, without gradients or head;
   * `observe` is told of activations as in a context.
   */
  routings(inputIds: Tensor, observe?: Observer): readonly Routing[] {
    return atOnce(this.routingsPausing(inputIds, observe));
  }

  /** As `routings`, wherever the experts lie. */
  *routingsPausing(inputIds: Tensor, observe?: Observer): Pausing<readonly Routing[]> {
    const context = { training: false, ...(observe && { observe }) };
    return yield* this.#routed(inputIds, context, (routing) => routing);
  }

  /**
   * Logits of i32 `[batch, sequence]`, without gradients and, unless a context asks for it, without noise: f32 `[batch,
   * sequence, vocabulary]`. With a cache, the tokens continue those that it remembers, and it remembers them too.
   */
  logits(inputIds: Tensor, context: DecoderContext = { training: false }, cache?: KeyValueCache): Tensor {
    return this.#withoutGradients(() => {
      const { hidden } = atOnce(this.#transform(inputIds, context, cache));
      return reshape(this.#head(hidden), [...inputIds.shape, this.plan.vocabulary]);
    });
  }

  /**
   * Logits of the token after the last of each sequence, f32 `[batch, vocabulary]`; as `logits`, at the cost of one row
   * of the head.
   */
  nextLogits(inputIds: Tensor, cache?: KeyValueCache): Tensor {
    return this.#withoutGradients(() => {
      const { hidden } = atOnce(this.#transform(inputIds, { training: false }, cache));
      const [batch = 0, sequence = 0] = inputIds.shape;
      const last = slice(reshape(hidden, [batch, sequence, this.plan.hidden]), 1, sequence - 1, sequence);
      return this.#head(reshape(last, [batch, this.plan.hidden]));
    });
  }

  /**
   * The routers' updates outside of the gradient, from the statistics of all tokens of the step, a layer with experts
   * each.
   */
  afterStep(statistics: readonly RoutingStatistics[]): void {
    const { mixtures } = this;
    if (statistics.length !== mixtures.length) {
      throw new RangeError(
        `Decoder.afterStep: got the statistics of ${statistics.length} layers, expected ${mixtures.length}`,
      );
    }
    mixtures.forEach((mixture, i) => mixture.afterStep(statistics[i]));
  }

  /** Frees all parameters and buffers. */
  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tables?.cos.dispose();
    this.#tables?.sin.dispose();
    this.#tables = null;
  }

  /** From ids to what the head reads, `[tokens, hidden]`. */
  *#transform(
    inputIds: Tensor,
    context: DecoderContext,
    cache?: KeyValueCache,
  ): Pausing<{ hidden: Tensor; routings: Routing[] }> {
    const { device, plan } = this;
    const [batch = 0, sequence = 0] = inputIds.shape;
    const length = cache?.length ?? 0;
    if (inputIds.shape.length !== 2 || sequence < 1 || length + sequence > plan.positions) {
      throw new RangeError(
        `Decoder: inputIds must be [batch, sequence] with a sequence of 1 to ${plan.positions - length} ` +
          `(max_position_embeddings${length > 0 ? ' less what the cache holds' : ''}), got [${inputIds.shape.join(', ')}]`,
      );
    }
    const tables = this.#tablesFor(length + sequence);
    const tokenIds = reshape(inputIds, [inputIds.size]);
    const routings: Routing[] = [];
    let hidden = labelled(device, 'embedding', () => embedding(this.#tensor('model.embed_tokens.weight'), tokenIds));
    const { observe } = context;
    const ids = { tokenIds, sequence, ...(cache?.lastIds && { idsBefore: cache.lastIds }) };
    observe?.('model.embed_tokens', hidden);
    for (const [i, layer] of this.#layers.entries()) {
      const within = observe && ((name: string, x: Tensor): void => observe(`model.layers.${i}.${name}`, x));
      const past =
        cache === undefined
          ? null
          : { length, extend: (keys: Tensor, values: Tensor) => cache.extend(i, keys, values) };
      const layout = { batch, sequence, tables, past };
      // A scope a layer frees what neither backward nor the caller reads; the tape holds what it needs itself.
      const before = hidden;
      const result = yield* pausingScope(device, () =>
        layer.forward(before, layout, { ...routeContext(context, i, routings.length), ...ids }, within),
      );
      observe?.(`model.layers.${i}`, result.hidden);
      hidden.dispose();
      hidden = result.hidden;
      if (result.routing !== null) routings.push(result.routing);
    }
    cache?.endWith(inputIds);
    const last = hidden;
    hidden = labelled(device, 'norm', () => rmsNorm(last, this.#tensor('model.norm.weight'), plan.normEpsilon));
    last.dispose();
    observe?.('model.norm', hidden);
    return { hidden, routings };
  }

  /** What is wanted of each layer's routing, without gradients. */
  #routed<T>(inputIds: Tensor, context: DecoderContext, wanted: (routing: Routing) => T): Pausing<T[]> {
    const computation = this.#transform(inputIds, context);
    return pausingScope(
      this.device,
      function* () {
        const { routings } = yield* computation;
        return routings.map(wanted);
      },
      { gradients: false },
    );
  }

  get #headWeight(): Tensor {
    return this.#tensor(this.plan.tiedHead ? 'model.embed_tokens.weight' : 'lm_head.weight');
  }

  #head(hidden: Tensor): Tensor {
    return labelled(this.device, 'head', () => linear(hidden, this.#headWeight));
  }

  #withoutGradients<T>(body: () => T): T {
    return scope(this.device, body, { gradients: false });
  }

  #losses(routings: readonly Routing[], sequence: number, part?: DecoderPart): LayerLoss[] {
    const losses: LayerLoss[] = routings.flatMap((routing, i) =>
      routing.losses.map((term) => ({ ...term, layer: this.moeLayers[i]! })),
    );
    const { loadBalancing, zLossWeight } = this.plan;
    if (zLossWeight > 0) {
      routings.forEach(({ logits }, i) => {
        const value = labelled(this.device, 'router', () => zLoss(logits!));
        losses.push({ name: 'z', value, weight: zLossWeight, layer: this.moeLayers[i]! });
      });
    }
    if (loadBalancing !== null) {
      const { scope, weight } = loadBalancing;
      const whole = part?.statistics;
      if (scope === 'globalBatch' && part !== undefined && whole === undefined) {
        throw new Error(
          "Decoder: the load-balancing scope 'globalBatch' needs part.statistics; survey all parts first",
        );
      }
      const values = labelled(this.device, 'router', () =>
        loadBalancingLosses(routings, scope, { sequence, ...(whole && { whole }) }),
      );
      values.forEach((value, i) =>
        losses.push({ name: 'loadBalancing', value, weight, layer: scope === 'pooled' ? null : this.moeLayers[i]! }),
      );
    }
    return losses;
  }

  #tensor(name: string): Tensor {
    return tensorNamed(this.#tensors, name);
  }

  #tablesFor(positions: number): RotaryTables {
    if (this.#tables === null || this.#tables.cos.shape[0]! < positions) {
      this.#tables?.cos.dispose();
      this.#tables?.sin.dispose();
      const { dim, theta } = this.plan.rotary;
      // With room to grow, so that generation makes them a few times, not at every token.
      const room = Math.min(this.plan.positions, 2 ** Math.ceil(Math.log2(positions)));
      const { cos, sin } = rotaryTables(this.device, room, dim, theta);
      this.#tables = { cos: keep(cos), sin: keep(sin) };
    }
    return this.#tables;
  }
}

/**
 * A decoder with fresh weights: N(0, initializer_range), norms 1, each parameter from a stream of its own named by the
 * seed and the parameter.
 */
export function createDecoder(device: Device, config: DecoderConfig, { seed, experts = null }: StartOptions): Decoder {
  const layout = decoderParameters(planDecoder(config), experts);
  return new Decoder(config, device, freshTensors(device, layout, seed), experts);
}

/** How a decoder starts. */
export interface StartOptions {
  readonly seed: number;
  /** The ranks that own the experts together, each with a decoder of its own; null, the default: they all lie here. */
  readonly experts?: ExpertRanks | null;
}

/**
 * Puts all parameters and buffers back to what `createDecoder` starts with. Takes the memory of a second model
 * meanwhile.
 */
export function resetDecoder({ device, layout, parameters, buffers }: Decoder, seed: number): void {
  for (const [name, fresh] of freshTensors(device, layout, seed)) {
    assign((parameters.get(name) ?? buffers.get(name))!, fresh);
    fresh.dispose();
  }
}

function freshTensors(device: Device, layout: readonly ModelParameter[], seed: number): ReadonlyMap<string, Tensor> {
  return createParameters(device, layout, RandomKey.fromSeed(seed).fold('parameters'));
}
