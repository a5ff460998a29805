/** Fields that the families' config schemas are made of. A message says what is expected; the caller adds the field and what it got. */
import {
  type LatentPrototypeOptions,
  latentPrototypePresets,
  resolveLatentPrototype,
  type RouterOptions,
} from '@lpr/moe';
import { z } from 'zod';

export const count = (): z.ZodInt => {
  const expected = 'a whole number of at least 1';
  return z.int(expected).min(1, expected);
};

export const countOrZero = (): z.ZodInt => {
  const expected = 'a whole number of at least 0';
  return z.int(expected).min(0, expected);
};

export const positive = (): z.ZodNumber => z.number('a number above 0').gt(0, 'a number above 0');
export const notNegative = (): z.ZodNumber => z.number('a number of at least 0').min(0, 'a number of at least 0');
export const flag = (): z.ZodBoolean => z.boolean('true or false');

/** Keys with a single value that this implementation computes; other values are refused rather than ignored. */
export const fixed = <Value extends string | number | boolean | null>(
  value: Value,
): z.ZodDefault<z.ZodLiteral<Value>> =>
  z.literal(value, `${JSON.stringify(value)}, the only value that is implemented`).default(value as never);

/** Keys of `config.json` that say nothing about the computation. */
export const remark = (): z.ZodOptional<z.ZodUnknown> => z.unknown().optional();

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

/** How tokens are routed, beside the family's own router. The key names of LPR are those of its released code. */
export interface RouterKeys {
  /** 'vanilla': the family's own router. */
  readonly router_type: 'vanilla' | 'lpr';
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
  /** 'pooled' over all layers as Hugging Face does, or one loss for each 'layer'. */
  readonly router_aux_loss_scope: 'pooled' | 'layer';
}

/** What all families have in common. */
export interface CommonKeys extends RouterKeys {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_experts_per_tok: number;
  readonly max_position_embeddings: number;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  readonly rope_parameters?: { readonly rope_theta: number } | undefined;
}

const oneOf = <const Values extends readonly string[]>(...values: Values): z.ZodEnum<{ [V in Values[number]]: V }> =>
  z.enum(values, `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`) as never;

const routerFields = {
  router_type: oneOf('vanilla', 'lpr').default('vanilla'),
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
  router_aux_loss_scope: oneOf('pooled', 'layer').default('pooled'),
};

/** Their checks, for `z.strictObject`. Types are those of `CommonKeys`. */
export const commonFields: Readonly<Record<string, z.ZodType>> = {
  ...routerFields,
  vocab_size: count(),
  hidden_size: count(),
  num_hidden_layers: count(),
  num_attention_heads: count(),
  num_experts_per_tok: count(),
  max_position_embeddings: count(),
  hidden_act: fixed('silu'),
  tie_word_embeddings: fixed(false),
  rope_scaling: fixed(null),
  rope_parameters: z.strictObject({ rope_theta: positive(), rope_type: fixed('default') }).optional(),
  attention_dropout: fixed(0),
  initializer_range: fixed(0.02),
  use_cache: remark(),
  architectures: remark(),
  auto_map: remark(),
  _name_or_path: remark(),
  torch_dtype: remark(),
  dtype: remark(),
  transformers_version: remark(),
  bos_token_id: remark(),
  eos_token_id: remark(),
  pad_token_id: remark(),
};

/** The router that a config asks for: the family's own, or LPR in a formulation with the config's changes to it. */
export function routerOf(config: RouterKeys, own: RouterOptions): RouterOptions {
  if (config.router_type === 'vanilla') return own;
  const formulation = config.lpr_formulation === 'reference' ? 'official' : config.lpr_formulation;
  const defaults = latentPrototypePresets[formulation];
  const { div_weight: diversityWeight = defaults.diversityWeight, diversity_lambda: lambda = 1 } = config;
  const target = config.paper_div_target === 'prototypes' ? 'keys' : config.paper_div_target;
  const changes = {
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

/** Adds a check of several fields together; `expected` is reported for `field` when `holds` is false. */
export interface CrossCheck<Config> {
  readonly field: keyof Config & string;
  readonly expected: (config: Config) => string;
  readonly holds: (config: Config) => boolean;
}

/** Runs the checks on a config whose single fields are fine. */
export function crossCheck<Config>(
  checks: readonly CrossCheck<Config>[],
): (config: unknown, context: z.core.$RefinementCtx) => void {
  return (value, context) => {
    const config = value as Config;
    for (const { field, expected, holds } of checks) {
      if (!holds(config)) context.addIssue({ code: 'custom', path: [field], message: expected(config) });
    }
  };
}
