/** The keys of a config that say how tokens are routed, and the router that they ask for. */
import {
  type LatentPrototypeOptions,
  latentPrototypePresets,
  type LoadBalancingScope,
  resolveLatentPrototype,
  resolveRouter,
  type RouterKind,
  routerMethods,
  type RouterOptions,
} from '@lpr/moe';
import { z } from 'zod';
import { count, flag, notNegative, oneOf } from './fields.ts';

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

/** How tokens are routed, beside the family's own router. The key names of LPR are those of its released code. */
export interface RouterKeys {
  /** 'vanilla': the family's own router. 'lpr': Latent Prototype Routing. Others: the methods of @lpr/moe. */
  readonly router_type: 'vanilla' | 'lpr' | RivalKind;
  /** Settings of such a method by their own names, where they are not its defaults. */
  readonly router_options?: Readonly<Record<string, unknown>> | undefined;
  /** 'reference' is another name for 'official'. */
  readonly lpr_formulation: 'corrected' | 'official' | 'reference' | 'paper';
  readonly router_latent_dim?: number | undefined;
  /** The strength of all regularisers. */
  readonly router_kl_loss_coef?: number | undefined;
  /** Only read where `lpr_options.ema` is on; the released code never calls its EMA update. */
  readonly router_ema_decay?: number | undefined;
  /** Says again what `routing_metrics` already tells. */
  readonly SimilarityMetrics?: 'VectorSimilarity' | 'DistributionDistance' | undefined;
  readonly routing_metrics?: keyof typeof measures | undefined;
  readonly diversity_type?: 'orthogonal' | 'cosine' | 'euclidean' | undefined;
  readonly diversity_lambda?: number | undefined;
  readonly div_weight?: number | undefined;
  readonly kl_weight?: number | undefined;
  readonly align_weight?: number | undefined;
  readonly unit_ball?: boolean | undefined;
  readonly paper_div_target?: 'tokens' | 'prototypes' | 'both' | undefined;
  /** Any switch of LPR by its own name; wins over the keys above. */
  readonly lpr_options?: Partial<LatentPrototypeOptions> | undefined;
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

/** Their checks. */
export const routerFields: Readonly<Record<string, z.ZodType>> = {
  router_type: oneOf('vanilla', 'lpr', ...rivals).default('vanilla'),
  router_options: z.record(z.string(), z.unknown(), 'an object of settings of the routing method').optional(),
  lpr_formulation: oneOf('corrected', 'official', 'reference', 'paper').default('corrected'),
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

/**
 * The router that a config asks for: the family's own, another method with the config's settings, or LPR in a
 * formulation with the config's changes to it. `kept` is what the corrected formulation takes over from the family's
 * own router. Throws a RangeError that names a setting that does not fit.
 */
export function routerOf(
  config: RouterKeys & { readonly vocab_size: number },
  own: RouterOptions,
  kept: Partial<LatentPrototypeOptions> = {},
): RouterOptions {
  const { router_type: type, router_options: settings = {} } = config;
  if (type === 'vanilla') return own;
  if (type === 'hash') {
    const router = resolveRouter(type, { vocabulary: config.vocab_size, ...settings });
    if (router.vocabulary >= config.vocab_size) return router;
    throw new RangeError(
      `hash: vocabulary must be at least vocab_size (${config.vocab_size}), since every token id has a row; got ${router.vocabulary}`,
    );
  }
  if (type !== 'lpr') return resolveRouter(type, settings);
  const formulation = config.lpr_formulation === 'reference' ? 'official' : config.lpr_formulation;
  const defaults = latentPrototypePresets[formulation];
  const { div_weight: diversityWeight = defaults.diversityWeight, diversity_lambda: lambda = 1 } = config;
  const target = config.paper_div_target === 'prototypes' ? 'keys' : config.paper_div_target;
  const changes = {
    ...(formulation === 'corrected' ? kept : {}),
    latentDim: config.router_latent_dim,
    measure: config.routing_metrics === undefined ? undefined : measures[config.routing_metrics],
    emaDecay: config.router_ema_decay,
    diversity: formulation === 'paper' ? undefined : config.diversity_type,
    strength: config.router_kl_loss_coef,
    // The released code multiplies the penalty by lambda and weights the product.
    diversityWeight: formulation === 'paper' ? diversityWeight : diversityWeight * lambda,
    klWeight: config.kl_weight,
    alignmentWeight: config.align_weight,
    unitBall: config.unit_ball,
    diversityTarget: formulation === 'paper' ? target : undefined,
    ...config.lpr_options,
  };
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  return { kind: 'latentPrototype', ...resolveLatentPrototype(formulation, given) };
}
