/** All families by `model_type`: the place where a new one is entered, with its schema and its plan. */
import { checkRouter } from '@lpr/moe';
import type { z } from 'zod';
import type { DecoderPlan } from '../plan.ts';
import { type DeepseekV3Config, deepseekV3Schema, planDeepseekV3 } from './deepseek-v3.ts';
import { type MixtralConfig, mixtralSchema, planMixtral } from './mixtral.ts';
import { planQwen3Moe, type Qwen3MoeConfig, qwen3MoeSchema } from './qwen3-moe.ts';

/** Any family's config; `model_type` tells them apart. */
export type DecoderConfig = DeepseekV3Config | MixtralConfig | Qwen3MoeConfig;

interface Family<Config> {
  readonly schema: z.ZodObject;
  readonly plan: (config: Config) => DecoderPlan;
}

const families: { readonly [Config in DecoderConfig as Config['model_type']]: Family<Config> } = {
  qwen3_moe: { schema: qwen3MoeSchema, plan: planQwen3Moe },
  mixtral: { schema: mixtralSchema, plan: planMixtral },
  deepseek_v3: { schema: deepseekV3Schema, plan: planDeepseekV3 },
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
