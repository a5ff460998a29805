/**
 * Routers from outside: `defineRouter` makes a method of what a file of anybody's says, and a registered one is a kind
 * among ours wherever a kind is named: `createRouter`, the configs of decoders, the command line.
 */
import type { OptionRules, RouterCore, RouterMethod, RouterTraits } from './method.ts';
import type { RouteContext, RouterShape, Routing } from './router.ts';
import type { RoutingStatistics } from './statistics.ts';
import type { ParameterSpec } from '@lpr/tensor/nn';
import type { Tensor } from '@lpr/tensor';

/** The kind of a router from outside: `custom-` before its name, so that no checkpoint takes it for one of ours. */
export type CustomKind = `custom-${string}`;

/** Settings of a router from outside: numbers, flags and words beside its kind. */
export interface CustomOptions {
  readonly kind: CustomKind;
}

/** What `defineRouter` is given; method.ts and router.ts say what each part is. */
export interface RouterDefinition<Settings extends object> {
  /** Lower-case words and digits with hyphens between: `my-router`. */
  readonly name: string;
  /** Every setting with its value where nobody says otherwise: numbers, flags and words. */
  readonly defaults: Settings;
  /** Values that settings may have, where the type of the default does not say it all. */
  readonly rules?: OptionRules<Settings>;
  /** What is true of the router; `checkRouter` of @lpr/moe/testing holds it to that. */
  readonly traits: (settings: Settings) => RouterTraits;
  /** The tensors that it needs. */
  readonly parameters: (settings: Settings, shape: RouterShape) => ParameterSpec[];
  /** Experts a token where it works as it is meant to; k unless given. */
  readonly expectedExperts?: (settings: Settings, shape: Pick<RouterShape, 'experts' | 'topK'>) => number;
  /** Throws where the settings do not fit the shape. */
  readonly check?: (settings: Settings, shape: RouterShape) => void;
  /** Routes x `[tokens, hidden]`. */
  readonly route: (core: RouterCore<Settings>, x: Tensor, context: RouteContext) => Routing;
  /** Changes its tensors after an optimiser step, from the statistics of all its tokens. */
  readonly afterStep?: (core: RouterCore<Settings>, statistics: RoutingStatistics) => void;
}

/** A router from outside, as a method. */
export type CustomRouter<Settings extends object = object> = RouterMethod<Settings & CustomOptions>;

const FUNCTIONS = ['traits', 'parameters', 'route'] as const;

/**
 * A routing method of one's own.
 *
 * @throws TypeError that names the part that is missing or of the wrong kind
 */
export function defineRouter<Settings extends object>({
  name,
  defaults,
  rules,
  ...parts
}: RouterDefinition<Settings>): CustomRouter<Settings> {
  if (typeof name !== 'string' || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new TypeError(
      `defineRouter: name must be lower-case words and digits with hyphens between, such as my-router, got ${JSON.stringify(name)}`,
    );
  }
  if (typeof defaults !== 'object' || defaults === null) {
    throw new TypeError(`defineRouter: defaults of ${name} must be an object of settings, {} for none`);
  }
  for (const [field, value] of Object.entries(defaults)) {
    if (field === 'kind' || !['number', 'boolean', 'string'].includes(value === null ? 'number' : typeof value)) {
      throw new TypeError(
        `defineRouter: defaults.${field} of ${name} must be a number, true or false, or a word, and not be called kind`,
      );
    }
  }
  for (const part of FUNCTIONS) {
    if (typeof parts[part] !== 'function') throw new TypeError(`defineRouter: ${part} of ${name} must be a function`);
  }
  return {
    ...parts,
    ...(rules === undefined ? {} : { rules: rules as OptionRules<Settings & CustomOptions> }),
    defaults: { ...defaults, kind: `custom-${name}` },
  };
}

const registered = new Map<string, RouterMethod<CustomOptions>>();

/**
 * Makes a router from outside known by its kind, in this process.
 *
 * @returns what makes it unknown again
 * @throws Error when another one is known by that kind
 */
export function registerRouter<Settings extends object>(router: CustomRouter<Settings>): () => void {
  const { kind } = router.defaults;
  const method = router as unknown as RouterMethod<CustomOptions>;
  const before = registered.get(kind);
  // Who registered it first decides how long it is known.
  if (before === method) return () => {};
  if (before !== undefined) {
    throw new Error(`registerRouter: there is another router ${kind} already; give one of them another name`);
  }
  registered.set(kind, method);
  return () => {
    registered.delete(kind);
  };
}

/** The router from outside that is known by a kind. */
export function registeredRouter(kind: string): RouterMethod<CustomOptions> | undefined {
  return registered.get(kind);
}

/** Whether a kind is that of a router from outside, known or not. */
export function isCustomKind(kind: string): kind is CustomKind {
  return kind.startsWith('custom-');
}
