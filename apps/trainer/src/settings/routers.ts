/** The names of routing methods on the command line, and which group of settings each reads. */
import {
  type CustomKind,
  isCustomKind,
  type LatentPrototypePreset,
  latentPrototypePresets,
  latentPrototypeRules,
  numberRule,
  type OptionRule,
  type RouterKind,
  routerMethod,
  routerMethods,
} from '@lpr/moe';
import { z } from 'zod';

/** A method of @lpr/moe, by its name there. */
export type MethodName = Exclude<RouterKind, 'latentPrototype' | 'topKSoftmax'>;

/**
 * What routes, and two systems that differ from a plain mixture in something else: 'latent-experts', the architecture's
 * own router before experts that share projections, and 'dense', no experts at all.
 */
export type RouterName =
  | 'top-k'
  | 'lpr'
  | 'lpr-tokens'
  | 'lpr-paper'
  | 'lpr-official'
  | MethodName
  | 'latent-experts'
  | 'dense'
  | CustomKind;

const METHODS = Object.keys(routerMethods).filter(
  (kind): kind is MethodName => kind !== 'latentPrototype' && kind !== 'topKSoftmax',
);

/** The names of all routers but those from outside. */
export const ROUTERS: readonly RouterName[] = [
  ...(['top-k', 'lpr', 'lpr-tokens', 'lpr-paper', 'lpr-official'] as const),
  ...METHODS,
  ...(['latent-experts', 'dense'] as const),
];

/** Whether a setting is the name of a router from outside. */
export function isCustomName(name: unknown): name is CustomKind {
  return typeof name === 'string' && isCustomKind(name);
}

/** Which formulation of Latent Prototype Routing a router's name stands for. */
export const FORMULATIONS: Readonly<Partial<Record<RouterName, LatentPrototypePreset>>> = {
  lpr: 'corrected',
  'lpr-tokens': 'tokens',
  'lpr-paper': 'paper',
  'lpr-official': 'official',
};

/** The groups of settings of which a router reads one. */
export const ROUTER_GROUPS = ['balancing', 'lpr', 'method'] as const;
type RouterGroup = (typeof ROUTER_GROUPS)[number];

/** Which group holds the settings of a router; null: there is nothing to set. */
export function groupOf(router: RouterName): RouterGroup | null {
  if (router === 'dense') return null;
  if (FORMULATIONS[router] !== undefined) return 'lpr';
  return isMethod(router) ? 'method' : 'balancing';
}

/** Whether it is a method with settings of its own: of @lpr/moe, or from outside. */
export function isMethod(router: RouterName): router is MethodName | CustomKind {
  return (METHODS as readonly string[]).includes(router) || isCustomKind(router);
}

/** Every switch of Latent Prototype Routing. */
export const lprSchema: z.ZodObject = optionsSchema(latentPrototypePresets.corrected, latentPrototypeRules);

/** The settings of a method. */
export function methodSchema(method: MethodName | CustomKind): z.ZodObject {
  const { defaults, rules = {} } = routerMethod(method);
  const { kind: _, ...settings } = defaults;
  return optionsSchema(settings, rules);
}

/** The same checks as those of @lpr/moe, as a schema: it gives each fault its path, and editors the allowed values. */
function optionsSchema(defaults: object, rules: Readonly<Partial<Record<string, OptionRule>>>): z.ZodObject {
  const fields = Object.entries(defaults).map(([field, initial]) => [field, fieldSchema(initial, rules[field])]);
  return z.strictObject(Object.fromEntries(fields) as Record<string, z.ZodType>);
}

function fieldSchema(initial: unknown, rule: OptionRule | undefined): z.ZodType {
  if (Array.isArray(rule)) return z.enum(rule as [string, ...string[]]);
  if (typeof initial === 'boolean') return z.boolean();
  if (typeof initial === 'string') return z.literal(initial);
  const { whole, orNull, above, from, to } = numberRule(rule as Exclude<typeof rule, readonly string[]>);
  let schema: z.ZodNumber = whole ? z.int() : z.number();
  schema = above === undefined ? schema.min(from) : schema.gt(above);
  if (to !== undefined) schema = schema.max(to);
  return orNull ? schema.nullable() : schema;
}
