/**
 * The seam between routing methods and everything else: a router gets tokens and says which experts see them, how their
 * results are weighted, and which terms it adds to the loss. Each method is one file behind this interface.
 */
import {
  add,
  cast,
  concatenate,
  full,
  randomNormal,
  type RandomKey,
  randomUniform,
  type SegmentPlan,
  type Shape,
  reshape,
  slice,
  subtract,
  Tensor,
} from '@lpr/tensor';
import { withoutGradients } from '@lpr/tensor/nn';
import type { BatchPart, RoutingStatistics } from './statistics.ts';

/** Where a router's random numbers come from: a stream to draw from, or the numbers themselves. */
export type Noise = RandomKey | Tensor;

export interface RouteContext {
  /** true: loss terms are computed and stochastic routers draw noise; false: deterministic, no loss terms. */
  readonly training: boolean;
  /** Needed in training by routers that draw noise. */
  readonly noise?: Noise;
  /** i32 `[tokens]`: the vocabulary's number of each token, for methods that route by it. */
  readonly tokenIds?: Tensor;
  /** i32, one a sequence: the id right before it; left out where sequences begin a text. */
  readonly idsBefore?: Tensor;
  /** Tokens of one sequence; the batch is sequences one after the other. Without it, all tokens are taken as one. */
  readonly sequence?: number;
  /**
   * In training, where x is a part of the step's batch: which. Loss terms are then this part's estimates of those of
   * the whole batch: their means over all parts, weighted by tokens, are those, and so are the gradients.
   */
  readonly part?: BatchPart;
  /** Recorded choices that a layer follows in place of its router's, in evaluation. */
  readonly replay?: RecordedRouting;
}

/** Where tokens went before: as `Routing` says it. */
export interface RecordedRouting {
  /** i32 `[tokens, slots]`; M where a slot holds none. */
  readonly experts: Tensor;
  /** f32 `[tokens, slots]`; 0 where a slot holds none. */
  readonly weights: Tensor;
}

/** A term of the total loss, which grows by `weight * value`. */
export interface LossTerm {
  /** 'diversityTokens', 'diversityKeys', 'kl', 'alignment', 'loadBalancing', ... */
  readonly name: string;
  /** The raw scalar. */
  readonly value: Tensor;
  readonly weight: number;
}

/** What load-balancing losses read. */
export interface BalanceStatistics {
  /** f32 `[tokens, M]`, differentiable. */
  readonly probabilities: Tensor;
  /** i32 `[tokens, n]`: the choices that count as load, before any is dropped. */
  readonly choices: Tensor;
  /** i32 `[M]`: how often each expert is among them. */
  readonly counts: Tensor;
}

/** Slots that hold no expert, and why. */
export interface UnusedSlots {
  /**
   * 'dropped': the expert was full. 'null': the token chose an expert that does nothing. 'inactive': the method used
   * fewer experts.
   */
  readonly reason: 'dropped' | 'null' | 'inactive';
  /** i32 `[1]`. */
  readonly count: Tensor;
}

export interface Routing {
  /**
   * i32 `[tokens, slots]`: the experts of each token, distinct, in descending order of what they were selected by. A
   * slot that holds none says M; its weight is 0. Most methods fill k slots; those with a varying number of experts a
   * token have room for the most it may get.
   */
  readonly experts: Tensor;
  /** f32 `[tokens, slots]`: what each expert's result is multiplied by. */
  readonly weights: Tensor;
  /** f32 `[tokens, M]`: each expert's score, larger is better; without the selection bias. */
  readonly scores: Tensor;
  /** How the choices `experts` sort by expert, for dispatch. */
  readonly plan: SegmentPlan;
  /** i32 `[M]`: the exact load; slots that hold no expert are not part of it. */
  readonly counts: Tensor;
  /** The slots that hold none, by reason; left out by methods that fill them all. */
  readonly unused?: readonly UnusedSlots[];
  /** In training: the terms that this router adds to the loss. */
  readonly losses: readonly LossTerm[];
  /** What load-balancing losses read, where it is not simply the softmax of the logits and its k largest. */
  readonly balance?: BalanceStatistics;
  /** f32 `[tokens, M]`, where the method computes a softmax or sigmoid of them. */
  readonly logits?: Tensor;
  /** `[tokens, hidden]`: what the routed experts read when it is not x itself. */
  readonly expertInput?: Tensor;
  /** f32 `[tokens, 1]`: this much of x itself is added to what the experts make of it. */
  readonly passThrough?: Tensor;
  /**
   * What the method computed on the way (mu, logvar, ...), for inspection. `selection` `[tokens, M]`: what experts were
   * chosen by, when not by the scores (with the selection bias); see `selectionOf`.
   */
  readonly details?: Readonly<Record<string, Tensor>>;
  /** In training: what losses and `afterStep` read of all tokens of a step (statistics.ts), by name. */
  readonly sums?: Readonly<Record<string, Tensor>>;
  readonly rows?: Readonly<Record<string, Tensor>>;
}

/** What evens the load by deciding which experts are chosen, and nothing else. */
export interface SelectionBias {
  /** f32 `[M]`. */
  readonly values: Tensor;
  /** 1: added to the scores; -1: taken from them, as a price. */
  readonly sign: 1 | -1;
}

export interface Router {
  readonly kind: string;
  /** M. */
  readonly experts: number;
  /** k. */
  readonly topK: number;
  /**
   * Trained tensors, under their Hugging Face names below the gate ('weight', 'encoder.weight', 'expert_keys', ...).
   */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Untrained state that a checkpoint must hold ('selection_bias', ...). */
  readonly buffers: ReadonlyMap<string, Tensor>;
  /** That of `buffers` which experts are chosen by besides the scores; null where the method has none. */
  readonly selectionBias: SelectionBias | null;
  /**
   * Routes x `[tokens, hidden]`; changes nothing.
   *
   * @throws RangeError when x is not like that, or has no tokens
   */
  route(x: Tensor, context: RouteContext): Routing;
  /** Updates outside of the gradient, after an optimiser step, from the statistics of all its tokens. */
  afterStep(statistics: RoutingStatistics): void;
}

/** What experts were chosen by, f32 `[tokens, M]`: the largest, where a method takes the largest. */
export function selectionOf({ details, scores }: Routing, { selectionBias }: Pick<Router, 'selectionBias'>): Tensor {
  const selection = details?.['selection'];
  if (selection !== undefined || selectionBias === null) return selection ?? scores;
  const { values, sign } = selectionBias;
  return sign === 1 ? add(scores, values) : subtract(scores, values);
}

/** What every router needs to know. */
export interface RouterShape {
  /** Width of the tokens. */
  readonly hidden: number;
  /** Number of experts, M. */
  readonly experts: number;
  /** Experts per token, k. */
  readonly topK: number;
}

/** Throws a RangeError unless 1 <= k <= M and all are whole numbers. */
export function checkRouterShape(kind: string, { hidden, experts, topK }: RouterShape): void {
  for (const [field, value] of Object.entries({ hidden, experts, topK })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(`${kind} router: ${field} must be a whole number of at least 1, got ${value}`);
    }
  }
  if (topK > experts) {
    throw new RangeError(
      `${kind} router: topK is ${topK}, but there are only ${experts} experts; a token can see each expert once`,
    );
  }
}

/** Throws a RangeError unless x is `[tokens, hidden]`; of no tokens there are no means, and no largest. */
export function checkTokens(kind: string, x: Tensor, hidden: number): void {
  if (x.shape.length !== 2 || x.shape[1] !== hidden || x.shape[0] === 0) {
    throw new RangeError(
      `${kind} router: x must be [tokens, ${hidden}] with at least one token, got [${x.shape.join(', ')}]`,
    );
  }
}

/** The ids of x's tokens, i32 `[tokens]`. Throws where the context has not one for each. */
export function tokenIdsOf(kind: string, x: Tensor, { tokenIds }: RouteContext): Tensor {
  const [tokens = 0] = x.shape;
  if (tokenIds !== undefined && tokenIds.size === tokens) return reshape(tokenIds, [tokens]);
  throw new Error(
    `${kind} router: routes by the vocabulary; give context.tokenIds, i32 [${tokens}], got ${tokenIds?.toString() ?? 'none'}`,
  );
}

/**
 * i32 `[tokens]`: the id of the token before each, in its sequence.
 *
 * @param none in place of one that there is not
 * @throws Error that names the router, when the context does not tell the ids or they are not whole sequences
 */
export function precedingIdsOf(kind: string, x: Tensor, context: RouteContext, none: number): Tensor {
  const ids = tokenIdsOf(kind, x, context);
  const { sequence = ids.size, idsBefore } = context;
  const sequences = ids.size / sequence;
  if (!Number.isInteger(sequences) || (idsBefore !== undefined && idsBefore.size !== sequences)) {
    throw new Error(
      `${kind} router: reads the token before each; give whole sequences and, where they go on, context.idsBefore, i32 [sequences]; ` +
        `got ${ids.size} tokens of sequences of ${sequence} and ${idsBefore?.toString() ?? 'no ids before'}`,
    );
  }
  return withoutGradients(x.device, () => {
    const first = idsBefore ?? cast(full(x.device, [sequences], none), 'i32');
    const columns = [reshape(first, [sequences, 1]), slice(reshape(ids, [sequences, sequence]), 1, 0, sequence - 1)];
    return reshape(sequence === 1 ? columns[0]! : concatenate(columns, 1), [ids.size]);
  });
}

/**
 * Random numbers of the given shape, a row a token, out of a noise source: standard normal, or even in [0, 1). A part
 * of a batch gets its rows of the whole.
 */
export function drawNoise(
  kind: string,
  distribution: 'normal' | 'uniform',
  like: Tensor,
  shape: Shape,
  { noise, part }: RouteContext,
): Tensor {
  if (noise === undefined) {
    throw new Error(
      `${kind} router: draws noise in training; give context.noise, a RandomKey or the numbers themselves`,
    );
  }
  if (!(noise instanceof Tensor)) {
    const draw = distribution === 'normal' ? randomNormal : randomUniform;
    if (part === undefined) return draw(like.device, shape, noise);
    const [tokens = 0, ...columns] = shape;
    return slice(draw(like.device, [part.tokens, ...columns], noise), 0, part.first, part.first + tokens);
  }
  if (noise.shape.length !== shape.length || noise.shape.some((extent, axis) => extent !== shape[axis])) {
    throw new RangeError(`${kind} router: noise must be [${shape.join(', ')}], got [${noise.shape.join(', ')}]`);
  }
  return noise;
}
