/** @lpr/model: Mixture-of-Experts decoders with Hugging Face configs, mathematics and weight names. */
export { ConfigError, parseDecoderConfig } from './config.ts';
export * from './decoder.ts';
export type { CommonKeys } from './families/common.ts';
export { type DecoderConfig, planDecoder } from './families/index.ts';
export type { DeepseekV3Config } from './families/deepseekV3.ts';
export type { MixtralConfig } from './families/mixtral.ts';
export type { Qwen3MoeConfig } from './families/qwen3Moe.ts';
export { type RouterKeys, routerOf } from './families/routing.ts';
export * from './flops.ts';
export * from './generate.ts';
export { KeyValueCache } from './layers/keyValueCache.ts';
export { decoderParameters, type ModelParameter, type Piece } from './parameters.ts';
export type * from './plan.ts';
export * from './safetensors/bytes.ts';
export { type SafetensorsDtype, SafetensorsError } from './safetensors/header.ts';
export { sampleToken, type SamplingOptions } from './sampling.ts';
export * from './sizes.ts';
export { exportWeights, importWeights, type Weight, WeightsError } from './weights.ts';
