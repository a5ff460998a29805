/** The keys of a config that say how tokens are routed, and the router that they ask for. */
import {
  type CustomKind,
  type CustomOptions,
  isCustomKind,
  type LatentPrototypeOptions,
  type LatentPrototypePreset,
  latentPrototypePresets,
  type LoadBalancingScope,
  resolveLatentPrototype,
  resolveRouter,
  type RouterKind,
  routerMethods,
  type RouterOptions,
  startOf,
  todaysSwitches,
} from '@lpr/moe';
import { z } from 'zod';
import { count, type CrossCheck, flag, notNegative, oneOf, oneOfText } from './fields.ts';

/** The released code's names of the measures. */
const measures = {
  Cosine: 'cosine',
  DotProducts: 'dotProduct',
  GaussianKernel: 'gaussianKernel',
  Mahalanobis: 'mahalanobis',
  CrossAttention: 'attention',
  wasserstein: 'wasserstein',
  kl: 'kl',
  js: 'js',
  hellinger: 'hellinger',
} as const;

/** A method of @lpr/moe by its own name. */
type RivalKind = Exclude<RouterKind, 'latentPrototype'>;

/** The keys of LPR's released code, each of which stands for a switch of LPR (`releasedKeys`). */
interface ReleasedKeys {
  readonly router_latent_dim?: number | undefined;
  /** The strength of all regularisers. */
  readonly router_kl_loss_coef?: number | undefined;
  /** Only read where `lpr_options.ema` is on; the released code never calls its EMA update. */
  readonly router_ema_decay?: number | undefined;
  readonly routing_metrics?: keyof typeof measures | undefined;
  readonly diversity_type?: 'orthogonal' | 'cosine' | 'euclidean' | undefined;
  readonly diversity_lambda?: number | undefined;
  readonly div_weight?: number | undefined;
  readonly kl_weight?: number | undefined;
  readonly align_weight?: number | undefined;
  readonly unit_ball?: boolean | undefined;
  readonly paper_div_target?: 'tokens' | 'prototypes' | 'both' | undefined;
}

/** How tokens are routed, beside the family's own router. */
export interface RouterKeys extends ReleasedKeys {
  /**
   * 'vanilla': the family's own router. 'lpr': Latent Prototype Routing. 'dense': no experts and nothing to route, a
   * plain MLP as wide as all that a token would pass through. Others: the methods of @lpr/moe, and `custom-...`,
   * routers from outside that are registered there.
   */
  readonly router_type: 'vanilla' | 'lpr' | 'dense' | RivalKind | CustomKind;
  /** Settings of such a method by their own names, where they are not its defaults. */
  readonly router_options?: Readonly<Record<string, unknown>> | undefined;
  /** Of a router from outside that was in a file: the sum of what it was trained with, for whoever loads that file. */
  readonly router_file_sha256?: string | undefined;
  /** 'reference' is another name for 'official'. */
  readonly lpr_formulation: 'corrected' | 'tokens' | 'official' | 'reference' | 'paper';
  /** Any switch of LPR by its own name. A released key that says something else is refused. */
  readonly lpr_options?: Partial<LatentPrototypeOptions> | undefined;
  /** A key of the released code too; it says again what `routing_metrics` tells, and is not read. */
  readonly SimilarityMetrics?: 'VectorSimilarity' | 'DistributionDistance' | undefined;
  /** Hugging Face's name for: add the auxiliary load-balancing loss of the family's own router. */
  readonly output_router_logits: boolean;
  readonly router_aux_loss_coef: number;
  /**
   * 'pooled' over all layers as Hugging Face does, or one loss for each 'layer', there over all tokens or the mean over
   * 'sequence's; 'globalBatch': a layer each, and always over all micro-batches of a step.
   */
  readonly router_aux_loss_scope: LoadBalancingScope;
  /** Weight of the z-loss of the family's own router in each layer; 0: none. Ours. */
  readonly router_z_loss_coef: number;
}

const rivals = Object.keys(routerMethods).filter((kind): kind is RivalKind => kind !== 'latentPrototype');

/** Keys of a config, and the switch of LPR that each stands for. */
export type SwitchKeys<Key extends string = string> = Readonly<Record<Key, keyof LatentPrototypeOptions>>;

/** The released code's keys. `diversity_lambda` and `div_weight` are factors of one weight. */
export const releasedKeys: SwitchKeys<keyof ReleasedKeys> = {
  router_latent_dim: 'latentDim',
  router_kl_loss_coef: 'strength',
  router_ema_decay: 'emaDecay',
  routing_metrics: 'measure',
  diversity_type: 'diversity',
  diversity_lambda: 'diversityWeight',
  div_weight: 'diversityWeight',
  kl_weight: 'klWeight',
  align_weight: 'alignmentWeight',
  unit_ball: 'prototypeStart',
  paper_div_target: 'diversityTarget',
};

/** One of ours, or the kind of a router from outside; whether that is known is said where it is looked for. */
const routerType = (...ours: readonly string[]): z.ZodType =>
  z.union([oneOf(...ours), z.string(oneOfText(ours)).refine(isCustomKind, oneOfText(ours))], oneOfText(ours));

/** Their checks. */
export const routerFields: Readonly<Record<string, z.ZodType>> = {
  router_type: routerType('vanilla', 'lpr', 'dense', ...rivals).default('vanilla'),
  router_options: z.record(z.string(), z.unknown(), 'an object of settings of the routing method').optional(),
  router_file_sha256: z.string('a sum').optional(),
  lpr_formulation: oneOf('corrected', 'tokens', 'official', 'reference', 'paper').default('corrected'),
  router_latent_dim: count().optional(),
  router_kl_loss_coef: notNegative().optional(),
  router_ema_decay: notNegative().optional(),
  SimilarityMetrics: oneOf('VectorSimilarity', 'DistributionDistance').optional(),
  routing_metrics: oneOf(...(Object.keys(measures) as (keyof typeof measures)[])).optional(),
  diversity_type: oneOf('orthogonal', 'cosine', 'euclidean').optional(),
  diversity_lambda: notNegative().optional(),
  div_weight: notNegative().optional(),
  kl_weight: notNegative().optional(),
  align_weight: notNegative().optional(),
  unit_ball: flag().optional(),
  paper_div_target: oneOf('tokens', 'prototypes', 'both').optional(),
  lpr_options: z.record(z.string(), z.unknown(), 'an object of LPR switches').optional(),
  output_router_logits: flag().default(false),
  router_aux_loss_coef: notNegative().default(0.001),
  router_aux_loss_scope: oneOf('pooled', 'layer', 'sequence', 'globalBatch').default('pooled'),
  router_z_loss_coef: notNegative().default(0),
};

/** A released key and `lpr_options` may both be there only where they say the same. */
export const routerChecks: readonly CrossCheck<RouterKeys>[] = (
  Object.entries(releasedKeys) as [keyof ReleasedKeys, keyof LatentPrototypeOptions][]
).map(([key, field]) => ({
  field: key,
  expected: (config) =>
    `what lpr_options.${field} says, ${JSON.stringify(lprOptions(config)[field])}; leave one of the two out`,
  holds: (config) => {
    if (config.router_type !== 'lpr' || config[key] === undefined) return true;
    const said = releasedSwitches(config)[field];
    const option = lprOptions(config)[field];
    return said === undefined || option === undefined || said === option;
  },
}));

/**
 * The router that a config asks for: the family's own, another method with the config's settings, or LPR in a
 * formulation with the config's changes to it. Reads only the keys that the router depends on.
 *
 * @param kept keys of the family's own router that LPR takes over in our formulations, where `lpr_options` says nothing
 *   else
 * @throws RangeError that names a setting that does not fit
 */
export function routerOf(
  config: RouterKeys & { readonly vocab_size: number },
  own: () => RouterOptions,
  kept: SwitchKeys = {},
): RouterOptions {
  const { router_type: type } = config;
  if (type === 'vanilla' || type === 'dense') return own();
  if (type === 'lpr') {
    const formulation = formulationOf(config);
    const switches = {
      ...(formulation === 'corrected' || formulation === 'tokens' ? keptSwitches(config, kept) : {}),
      ...(formulation === 'tokens' ? { vocabulary: config.vocab_size } : {}),
      ...releasedSwitches(config),
      ...lprOptions(config),
    };
    const given = Object.fromEntries(Object.entries(switches).filter(([, value]) => value !== undefined));
    const router = resolveLatentPrototype(formulation, given);
    if (router.vocabulary > 0) checkTable('lpr_options', router.vocabulary, config.vocab_size);
    return { kind: 'latentPrototype', ...router };
  }
  const settings = config.router_options ?? {};
  if (isCustomKind(type)) return resolveRouter(type, settings as Partial<CustomOptions>);
  if (type !== 'hash') return resolveRouter(type, settings);
  const router = resolveRouter(type, { vocabulary: config.vocab_size, ...settings });
  checkTable('hash', router.vocabulary, config.vocab_size);
  return router;
}

function checkTable(of: string, rows: number, ids: number): void {
  if (rows >= ids) return;
  throw new RangeError(
    `${of}: vocabulary must be at least vocab_size (${ids}), since every token id has a row; got ${rows}`,
  );
}

/** Those of the config, by today's names. */
function lprOptions({ lpr_options: options = {} }: RouterKeys): Partial<LatentPrototypeOptions> {
  return todaysSwitches(options);
}

function formulationOf({ lpr_formulation: name }: RouterKeys): LatentPrototypePreset {
  return name === 'reference' ? 'official' : name;
}

function keptSwitches(config: object, kept: SwitchKeys): Partial<LatentPrototypeOptions> {
  const values = config as Readonly<Record<string, unknown>>;
  return Object.fromEntries(Object.entries(kept).map(([key, field]) => [field, values[key]]));
}

/** What the released code's keys say that the formulation reads; undefined for the switches that they leave to it. */
function releasedSwitches(config: RouterKeys): {
  readonly [Field in keyof LatentPrototypeOptions]?: LatentPrototypeOptions[Field] | undefined;
} {
  const formulation = formulationOf(config);
  const isPaper = formulation === 'paper';
  const { routing_metrics: metric, paper_div_target: target, div_weight: weight } = config;
  // The released code multiplies the penalty by lambda and weights the product.
  const lambda = isPaper ? undefined : config.diversity_lambda;
  const isWeighted = weight !== undefined || lambda !== undefined;
  return {
    latentDim: config.router_latent_dim,
    measure: metric === undefined ? undefined : measures[metric],
    emaDecay: config.router_ema_decay,
    diversity: isPaper ? undefined : config.diversity_type,
    strength: config.router_kl_loss_coef,
    diversityWeight: isWeighted
      ? (weight ?? latentPrototypePresets[formulation].diversityWeight) * (lambda ?? 1)
      : undefined,
    klWeight: config.kl_weight,
    alignmentWeight: config.align_weight,
    prototypeStart: config.unit_ball === undefined ? undefined : startOf(config.unit_ball),
    diversityTarget: !isPaper ? undefined : target === 'prototypes' ? 'keys' : target,
  };
}
