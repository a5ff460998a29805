/** All families by `model_type`: the place where a new one is entered, with its schema and its plan. */
import { checkRouter } from '@lpr/moe';
import type { z } from 'zod';
import type { DecoderPlan } from '../plan.ts';
import { noteKeys } from './common.ts';
import { type DeepseekV3Config, deepseekV3KeptKeys, deepseekV3Schema, planDeepseekV3 } from './deepseek-v3.ts';
import { type MixtralConfig, mixtralSchema, planMixtral } from './mixtral.ts';
import { planQwen3Moe, type Qwen3MoeConfig, qwen3MoeSchema } from './qwen3-moe.ts';
import type { SwitchKeys } from './routing.ts';

/** Any family's config; `model_type` tells them apart. */
export type DecoderConfig = DeepseekV3Config | MixtralConfig | Qwen3MoeConfig;

interface Family<Config> {
  readonly schema: z.ZodObject;
  readonly plan: (config: Config) => DecoderPlan;
  /** Which key counts the experts of a layer. */
  readonly expertsKey: keyof Config & string;
  /** Keys of the own router that LPR takes over in its corrected formulation. */
  readonly keptKeys?: SwitchKeys;
}

const families: { readonly [Config in DecoderConfig as Config['model_type']]: Family<Config> } = {
  qwen3_moe: { schema: qwen3MoeSchema, plan: planQwen3Moe, expertsKey: 'num_experts' },
  mixtral: { schema: mixtralSchema, plan: planMixtral, expertsKey: 'num_local_experts' },
  deepseek_v3: {
    schema: deepseekV3Schema,
    plan: planDeepseekV3,
    expertsKey: 'n_routed_experts',
    keptKeys: deepseekV3KeptKeys,
  },
};

export const modelTypes: readonly string[] = Object.keys(families);

/** TypeScript cannot see that the entry under a model type takes the configs of that type. */
export function familyOf(modelType: DecoderConfig['model_type']): Family<DecoderConfig> {
  return (families as Readonly<Record<string, unknown>>)[modelType] as Family<DecoderConfig>;
}

/**
 * What the decoder of a config consists of. Throws a RangeError that names a setting of the router that is impossible
 * or does not fit.
 */
export function planDecoder(config: DecoderConfig): DecoderPlan {
  const plan = familyOf(config.model_type).plan(config);
  for (const { feedForward } of plan.layers) {
    if (feedForward.kind === 'moe') checkRouter(feedForward.router, { ...feedForward, hidden: plan.hidden });
  }
  return plan;
}

/** Keys of a family's own router that LPR takes over in its corrected formulation, and its switches for them. */
export function keptKeys(modelType: DecoderConfig['model_type']): SwitchKeys {
  return familyOf(modelType).keptKeys ?? {};
}

/** Every key that a family's configs may have, and the check of its value alone. */
export function configFields(modelType: DecoderConfig['model_type']): Readonly<Record<string, z.ZodType>> {
  return familyOf(modelType).schema.shape;
}

/**
 * The keys of a config that change something: those that its plan is made from, and those that are passed on to other
 * readers of `config.json`. Not among them are, for instance, keys of the own router where another routes.
 */
export function keysInUse(config: DecoderConfig): ReadonlySet<string> {
  const read = new Set(noteKeys);
  const noting = new Proxy(config, {
    get(target, key) {
      if (typeof key === 'string') read.add(key);
      return Reflect.get(target, key) as unknown;
    },
  });
  familyOf(config.model_type).plan(noting);
  return read;
}
