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
 * What the routing of a token depends on: the token itself, also the one before it in its sequence, also all those
 * before it in the batch, or all of the batch. Only 'batch' is not causal.
 */
export type RoutingReads = 'token' | 'tokenBefore' | 'earlierTokens' | 'batch';

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

/** Which numbers a setting may be; never infinite ones. */
export type NumberRule = { readonly whole?: boolean; readonly orNull?: boolean } & (
  | { readonly above: number; readonly from?: never; readonly to?: never }
  | { readonly above?: never; readonly from: number; readonly to?: number }
);

/** What sizes of tensors are counted in. */
const MOST = 2 ** 31 - 1;

type NamedRule = 'count' | 'countOrNone' | 'countOrNull' | 'rounds' | 'positive' | 'share';

const NUMBER_RULES: Readonly<Record<NamedRule, NumberRule>> = {
  count: { whole: true, from: 1, to: MOST },
  countOrNone: { whole: true, from: 0, to: MOST },
  countOrNull: { whole: true, from: 1, to: MOST, orNull: true },
  /** How often something is repeated at each batch: more than this would seem to hang. */
  rounds: { whole: true, from: 1, to: 4096 },
  positive: { above: 0 },
  share: { from: 0, to: 1 },
};

/** The values a setting may have: one of some words, or some numbers, of which the usual ones have names. */
export type OptionRule = readonly string[] | NumberRule | NamedRule;

export type OptionRules<Options> = { readonly [Field in keyof Options]?: OptionRule };

/** Which numbers a rule allows; none says at least 0. */
export function numberRule(rule: Exclude<OptionRule, readonly string[]> | undefined): NumberRule {
  return typeof rule === 'string' ? NUMBER_RULES[rule] : (rule ?? { from: 0 });
}

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
    if (expected !== null) throw new RangeError(`${name}: ${field} must be ${expected}, got ${shown(value)}`);
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
  // Not `in`: what every object inherits is no setting.
  if (!Object.hasOwn(defaults, field)) return `one of the settings ${Object.keys(defaults).join(', ')}`;
  const rule: OptionRule | undefined = rules[field as keyof Options];
  if (isWords(rule)) return rule.includes(value as string) ? null : `one of ${rule.join(', ')}`;
  const initial = defaults[field as keyof Options];
  if (typeof initial === 'boolean') return typeof value === 'boolean' ? null : 'true or false';
  if (typeof initial === 'string') return value === initial ? null : JSON.stringify(initial);
  const numbers = numberRule(rule);
  return isAllowed(value, numbers) ? null : inWords(numbers);
}

function isWords(rule: OptionRule | undefined): rule is readonly string[] {
  return Array.isArray(rule);
}

function isAllowed(value: unknown, { whole, orNull, above, from, to = Infinity }: NumberRule): boolean {
  if (value === null) return orNull === true;
  if (typeof value !== 'number' || !Number.isFinite(value) || (whole && !Number.isInteger(value))) return false;
  return above === undefined ? value >= from && value <= to : value > above;
}

function inWords({ whole, orNull, above, from, to }: NumberRule): string {
  const least = above === undefined ? `of at least ${from}` : `above ${above}`;
  const bounds = to === undefined ? least : `from ${from} to ${to}`;
  return `a ${whole ? 'whole ' : to === undefined ? 'finite ' : ''}number ${bounds}${orNull ? ', or null' : ''}`;
}

/** Characters of a value in a message. */
const MOST_SHOWN = 200;

/** The beginning of a value, as JSON where that says what it is, for messages. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  // JSON has no infinite numbers.
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  try {
    const text = JSON.stringify(value) ?? `a ${typeof value}`;
    return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}...` : text;
  } catch {
    return 'something nested too deeply to be shown';
  }
}
