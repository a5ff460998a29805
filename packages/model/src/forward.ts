/** What a decoder's forward pass gets and gives. */
import type { LossTerm, RecordedRouting, RouteContext, Routing, RoutingStatistics } from '@lpr/moe';
import { RandomKey, type Tensor } from '@lpr/tensor';
import type { Observer } from './layers/decoder-layer.ts';

export interface DecoderBatch {
  /** i32 `[batch, sequence]`. */
  readonly inputIds: Tensor;
  /** i32 `[batch, sequence]`: the token that follows each input, already shifted; -100 is ignored. */
  readonly labels: Tensor;
}

export interface DecoderContext {
  /** false: no noise, no terms of the loss besides cross entropy. */
  readonly training: boolean;
  /** For routers that draw noise in training: a stream, or the numbers for each layer. */
  readonly noise?: RandomKey | ReadonlyMap<number, Tensor>;
  /**
   * In training, where the batch is a part of the step's, as in gradient accumulation: which. The terms of the loss are
   * then estimates of those of the whole; their means over the parts, weighted by tokens (the cross entropy's: by
   * labels), are exact, and so are gradients, provided the statistics are given where `poolsLosses` says so.
   */
  readonly part?: DecoderPart;
  /**
   * Told of activations as they are computed, by the names of what made them: "model.layers.3.self_attn",
   * "model.layers.3.mlp.gate", "model.norm"; what experts read is "model.layers.3.mlp.experts.input".
   */
  readonly observe?: Observer;
  /** In evaluation: recorded choices for each layer with experts, which are followed in place of the routers' own. */
  readonly replay?: readonly RecordedRouting[];
}

/** The tokens of one part in the batch of a step. */
export interface DecoderPart {
  /** Tokens of the step before this part; noise is drawn from there on. */
  readonly first: number;
  /** Tokens of the step. */
  readonly tokens: number;
  /** Of the step, a layer each: the merged results of `Decoder.survey` for all parts. */
  readonly statistics?: readonly RoutingStatistics[];
}

/** A term of the loss and the layer it belongs to; null when it is pooled over layers. */
export interface LayerLoss extends LossTerm {
  readonly layer: number | null;
}

export interface DecoderOutput {
  /** Mean cross entropy in nats, a scalar; the test loss. */
  readonly taskLoss: Tensor;
  /** `taskLoss + sum of weight * value` of all terms. */
  readonly totalLoss: Tensor;
  readonly losses: readonly LayerLoss[];
  /** The exact load of each layer with experts, i32 `[M]`. */
  readonly counts: readonly Tensor[];
  readonly routings: readonly Routing[];
  /** In training: what `afterStep` wants of each layer with experts; `mergeStatistics` makes one of several parts'. */
  readonly statistics: readonly RoutingStatistics[];
}

/** What a layer's router is told; `moeLayer` counts the layers with experts alone. */
export function routeContext(
  { training, noise, part, replay }: DecoderContext,
  layer: number,
  moeLayer: number,
): RouteContext {
  const own = noise instanceof RandomKey ? noise.fold(layer) : noise?.get(layer);
  const statistics = part?.statistics?.[moeLayer];
  return {
    training,
    ...(own === undefined ? {} : { noise: own }),
    ...(replay && { replay: replay[moeLayer]! }),
    ...(part && { part: { first: part.first, tokens: part.tokens, ...(statistics && { statistics }) } }),
  };
}
