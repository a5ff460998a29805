/**
 * What a routing method consists of, as one plain object a file: its settings, the tensors it needs, how it routes, and
 * the facts about it that a user compares methods by and that the property tests hold it to.
 */
import type { Tensor } from '@lpr/tensor';
import { type ParameterSpec, tensorNamed } from '@lpr/tensor/nn';
import {
  checkRouterShape,
  checkTokens,
  type RouteContext,
  type Router,
  type RouterShape,
  type Routing,
  type SelectionBias,
} from './router.ts';
import type { RoutingStatistics } from './statistics.ts';

/**
 * What the routing of a token depends on: the token itself, also those before it in the batch, or all of the batch.
 * Only 'batch' is not causal.
 */
export type RoutingReads = 'token' | 'earlierTokens' | 'batch';

/** What is true of a router; tests/routing/traits.test.ts fails where a claim is not. */
export interface RouterTraits {
  readonly reads: { readonly training: RoutingReads; readonly evaluation: RoutingReads };
  /** Whether evaluation routes as training does: the same capacity, the same assignment, no noise in either. */
  readonly alike: boolean;
  /** Whether a token always gets k experts; false: slots may stay empty, and there may be more than k. */
  readonly fillsSlots: boolean;
  /** What the weights of a token with k experts sum to; null where nothing is promised. */
  readonly weightSum: number | null;
  /**
   * Whether in evaluation a token's experts are the largest of the selection (`details.selection`, else the scores), in
   * descending order and at most k; a slot among them may be empty.
   */
  readonly takesLargest: boolean;
  /** The only k that the method works with, 'all' being M, since it does not read k; null: any. */
  readonly onlyTopK: number | 'all' | null;
  /** Whether in training every expert gets equally many choices (up to 1 where they do not divide). */
  readonly exactBalance: boolean;
  /**
   * Whether a loss term reads more of the batch than means over its tokens: its gradient then needs a survey of the
   * whole (statistics.ts).
   */
  readonly pooledLosses: boolean;
  /**
   * All tensors whose first axis counts experts: permuting them permutes the load. Empty where experts cannot be
   * exchanged like that.
   */
  readonly expertTensors: readonly string[];
  /**
   * The buffer that experts are chosen by besides the scores, and that touches nothing else: added to them (`sign` 1),
   * or taken from them (-1). Left out where there is none.
   */
  readonly selectionBias?: { readonly buffer: string; readonly sign: 1 | -1 };
}

/** A router as its method sees it. */
export interface RouterCore<Options> extends RouterShape {
  readonly options: Options;
  /** A tensor that the method's `parameters` name. */
  readonly tensor: (name: string) => Tensor;
}

export interface RouterMethod<Options extends { readonly kind: string }> {
  /** The source's own values. */
  readonly defaults: Options;
  /** Allowed values of settings, where the type of the default does not say it all. */
  readonly rules?: OptionRules<Options>;
  /** What is true of a router of these settings. */
  readonly traits: (options: Options) => RouterTraits;
  /** The tensors that it needs. */
  readonly parameters: (options: Options, shape: RouterShape) => ParameterSpec[];
  /** Experts a token where the method works as it is meant to; k unless given. */
  readonly expectedExperts?: (options: Options, shape: Pick<RouterShape, 'experts' | 'topK'>) => number;
  /** Throws where the settings do not fit the shape. */
  readonly check?: (options: Options, shape: RouterShape) => void;
  /** Routes x `[tokens, hidden]`; changes nothing. */
  readonly route: (core: RouterCore<Options>, x: Tensor, context: RouteContext) => Routing;
  /** Changes its tensors after an optimiser step, from the statistics of all its tokens. */
  readonly afterStep?: (core: RouterCore<Options>, statistics: RoutingStatistics) => void;
}

/** The k that a method takes in place of a given one. */
export function topKFor({ onlyTopK }: RouterTraits, { experts, topK }: Pick<RouterShape, 'experts' | 'topK'>): number {
  return onlyTopK === 'all' ? experts : (onlyTopK ?? topK);
}

/** Throws a RangeError where a method with these settings cannot route that many experts. */
export function checkMethod<Options extends { readonly kind: string }>(
  method: RouterMethod<Options>,
  options: Options,
  shape: RouterShape,
): void {
  checkRouterShape(options.kind, shape);
  const traits = method.traits(options);
  const expected = topKFor(traits, shape);
  if (shape.topK !== expected) {
    const why = traits.onlyTopK === 'all' ? ', the number of experts,' : '';
    throw new RangeError(`${options.kind} router: topK must be ${expected}${why} for this method, got ${shape.topK}`);
  }
  method.check?.(options, shape);
}

/** The router of a method: owns nothing, reads and updates the tensors it was given. */
export class MethodRouter<Options extends { readonly kind: string }> implements Router, RouterCore<Options> {
  readonly kind: Options['kind'];
  readonly hidden: number;
  readonly experts: number;
  readonly topK: number;
  readonly options: Options;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly buffers: ReadonlyMap<string, Tensor>;
  readonly selectionBias: SelectionBias | null;
  readonly tensor: (name: string) => Tensor;
  readonly #method: RouterMethod<Options>;

  constructor(
    method: RouterMethod<Options>,
    options: Options,
    shape: RouterShape,
    tensors: ReadonlyMap<string, Tensor>,
  ) {
    checkMethod(method, options, shape);
    this.kind = options.kind;
    this.hidden = shape.hidden;
    this.experts = shape.experts;
    this.topK = shape.topK;
    this.options = options;
    this.#method = method;
    this.tensor = (name) => tensorNamed(tensors, name);
    const specs = method.parameters(options, shape);
    const named = (trained: boolean): Map<string, Tensor> =>
      new Map(specs.filter((spec) => spec.trained === trained).map(({ name }) => [name, tensorNamed(tensors, name)]));
    this.parameters = named(true);
    this.buffers = named(false);
    const { selectionBias: bias } = method.traits(options);
    this.selectionBias = bias === undefined ? null : { values: this.tensor(bias.buffer), sign: bias.sign };
  }

  route(x: Tensor, context: RouteContext): Routing {
    checkTokens(this.kind, x, this.hidden);
    return this.#method.route(this, x, context);
  }

  afterStep(statistics: RoutingStatistics): void {
    this.#method.afterStep?.(this, statistics);
  }
}

/** The values a setting may have: one of some words, a whole number, or a number within bounds. */
export type OptionRule = readonly string[] | 'count' | 'countOrNull' | 'positive' | 'share';

export type OptionRules<Options> = { readonly [Field in keyof Options]?: OptionRule };

/**
 * Settings with some set otherwise. Throws a RangeError that names the field for unknown fields, values of the wrong
 * type or outside their range; numbers without a rule are finite and at least 0.
 */
export function resolveOptions<Options extends object>(
  name: string,
  defaults: Options,
  rules: OptionRules<Options>,
  overrides: Partial<Options>,
): Options {
  for (const [field, value] of Object.entries(overrides)) {
    const expected = problemWith(field, value, defaults, rules);
    if (expected !== null) throw new RangeError(`${name}: ${field} must be ${expected}, got ${JSON.stringify(value)}`);
  }
  return { ...defaults, ...overrides };
}

/** What was expected of the field, or null when the value is fine. */
function problemWith<Options extends object>(
  field: string,
  value: unknown,
  defaults: Options,
  rules: OptionRules<Options>,
): string | null {
  if (!(field in defaults)) return `one of the settings ${Object.keys(defaults).join(', ')}`;
  const rule = rules[field as keyof Options];
  if (Array.isArray(rule)) return rule.includes(value) ? null : `one of ${rule.join(', ')}`;
  const initial = defaults[field as keyof Options];
  if (typeof initial === 'boolean') return typeof value === 'boolean' ? null : 'true or false';
  if (typeof initial === 'string') return value === initial ? null : JSON.stringify(initial);
  if (rule === 'countOrNull' && value === null) return null;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) return 'a finite number of at least 0';
  if ((rule === 'count' || rule === 'countOrNull') && (!Number.isInteger(value) || value < 1)) {
    return rule === 'count' ? 'a whole number of at least 1' : 'a whole number of at least 1, or null';
  }
  if (rule === 'positive' && value === 0) return 'above 0';
  return rule === 'share' && value > 1 ? 'a number from 0 to 1' : null;
}
