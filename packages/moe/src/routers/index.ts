/** All routing methods by kind: the place where a new one is entered. */
import type { Tensor } from '@lpr/tensor';
import type { ParameterSpec } from '@lpr/tensor/nn';
import { type CustomKind, type CustomOptions, isCustomKind, registeredRouter } from '../define-router.ts';
import { checkMethod, MethodRouter, resolveOptions, type RouterMethod, type RouterTraits } from '../method.ts';
import type { Router, RouterShape } from '../router.ts';
import type { LatentPrototypeOptions } from './latent-prototype/options.ts';
import { latentPrototype } from './latent-prototype/router.ts';
import { type AdaMoEOptions, adamoe } from './adamoe.ts';
import { type BaseOptions, base } from './base.ts';
import { type DeepSeekV3Options, deepSeekV3 } from './deepseek-v3.ts';
import { type DenseMixtureOptions, denseMixture } from './dense-mixture.ts';
import { type DSelectKOptions, dselectK } from './dselect-k.ts';
import { type ExpertChoiceOptions, expertChoice } from './expert-choice.ts';
import { type GShardOptions, gshard } from './gshard.ts';
import { type HashOptions, hash } from './hash.ts';
import { type NoisyTopKOptions, noisyTopK } from './noisy-top-k.ts';
import { type QuantileBalancingOptions, quantileBalancing } from './quantile-balancing.ts';
import { type ReMoEOptions, remoe } from './remoe.ts';
import { type SinkhornOptions, sinkhorn } from './sinkhorn.ts';
import { type SwitchOptions, switchTransformer } from './switch.ts';
import { type XMoEOptions, xmoe } from './xmoe.ts';
import { topKSoftmax, type TopKSoftmaxOptions } from './top-k-softmax.ts';

/** A routing method of this library with its settings. */
type OwnOptions =
  | (LatentPrototypeOptions & { readonly kind: 'latentPrototype' })
  | TopKSoftmaxOptions
  | AdaMoEOptions
  | BaseOptions
  | DeepSeekV3Options
  | DenseMixtureOptions
  | DSelectKOptions
  | ExpertChoiceOptions
  | GShardOptions
  | HashOptions
  | NoisyTopKOptions
  | QuantileBalancingOptions
  | ReMoEOptions
  | SinkhornOptions
  | SwitchOptions
  | XMoEOptions;

/** A routing method with its settings, as plain data. */
export type RouterOptions = OwnOptions | CustomOptions;

/** A routing method of this library. */
export type RouterKind = OwnOptions['kind'];

/** The methods of this library; each one's file states its equation, source and defaults. */
export const routerMethods: { readonly [Options in OwnOptions as Options['kind']]: RouterMethod<Options> } = {
  latentPrototype,
  topKSoftmax,
  adamoe,
  base,
  deepSeekV3,
  denseMixture,
  dselectK,
  expertChoice,
  gshard,
  hash,
  noisyTopK,
  quantileBalancing,
  remoe,
  sinkhorn,
  switch: switchTransformer,
  xmoe,
};

/**
 * The method of a kind, of this library or registered from outside. TypeScript cannot see that it takes the options of
 * that kind.
 *
 * @throws RangeError that says what there is, or how to add it
 */
export function routerMethod(kind: RouterOptions['kind']): RouterMethod<RouterOptions> {
  const found = Object.hasOwn(routerMethods, kind)
    ? (routerMethods as Readonly<Record<string, unknown>>)[kind]
    : registeredRouter(kind);
  if (found !== undefined) return found as RouterMethod<RouterOptions>;
  if (isCustomKind(kind)) {
    throw new RangeError(
      `the router ${kind} is none of this library, and not known here; register what defineRouter made of it (of the command line: --router with its file)`,
    );
  }
  throw new RangeError(
    `router kind must be one of ${Object.keys(routerMethods).join(', ')}, got ${JSON.stringify(kind)}`,
  );
}

/**
 * A method's default settings with some set otherwise. Throws a RangeError that names the kind or the field that does
 * not fit. LPR's other formulations: `resolveLatentPrototype`.
 */
export function resolveRouter<Kind extends RouterKind | CustomKind>(
  kind: Kind,
  overrides: Partial<OptionsOf<Kind>> = {},
): OptionsOf<Kind> {
  const { defaults, rules = {} } = routerMethod(kind);
  return resolveOptions(kind, defaults, rules, overrides) as OptionsOf<Kind>;
}

/** The settings of a kind. */
type OptionsOf<Kind> = Kind extends CustomKind ? CustomOptions : Extract<OwnOptions, { kind: Kind }>;

/** What is true of a router of these settings. */
export function routerTraits(options: RouterOptions): RouterTraits {
  return routerMethod(options.kind).traits(options);
}

/** Experts that a token goes to where the method works as it is meant to, which it need not at first; k for most. */
export function expectedExperts(options: RouterOptions, shape: Pick<RouterShape, 'experts' | 'topK'>): number {
  return routerMethod(options.kind).expectedExperts?.(options, shape) ?? shape.topK;
}

/** Throws a RangeError where the settings do not fit the shape, before any tensor is made. */
export function checkRouter(options: RouterOptions, shape: RouterShape): void {
  checkMethod(routerMethod(options.kind), options, shape);
}

/** The tensors that a router needs, before any is made. */
export function routerParameters(options: RouterOptions, shape: RouterShape): ParameterSpec[] {
  return routerMethod(options.kind).parameters(options, shape);
}

/**
 * A router over tensors that `routerParameters` named. Throws when a tensor is missing or the settings do not fit the
 * shape.
 */
export function createRouter(options: RouterOptions, shape: RouterShape, tensors: ReadonlyMap<string, Tensor>): Router {
  return new MethodRouter(routerMethod(options.kind), options, shape, tensors);
}
