/** All families by `model_type`: the place where a new one is entered, beside its schema in config.ts. */
import type { DecoderConfig } from '../config.ts';
import type { DecoderPlan } from '../plan.ts';
import { planQwen3Moe } from './qwen3Moe.ts';

const plans: { readonly [Type in DecoderConfig['model_type']]: (config: DecoderConfig) => DecoderPlan } = {
  qwen3_moe: planQwen3Moe,
};

/** What the decoder of a config consists of. Throws a RangeError that names an LPR switch with an impossible value. */
export function planDecoder(config: DecoderConfig): DecoderPlan {
  return plans[config.model_type](config);
}
