/** @lpr/model: Mixture-of-Experts decoders with Hugging Face configs, mathematics and weight names. */
export { ConfigError, type DecoderConfig, parseDecoderConfig } from './config.ts';
export * from './decoder.ts';
export { type CommonKeys, type RouterKeys, routerOf } from './families/fields.ts';
export { planDecoder } from './families/index.ts';
export type { Qwen3MoeConfig } from './families/qwen3Moe.ts';
export { decoderParameters, type ModelParameter, type Piece } from './parameters.ts';
export type * from './plan.ts';
export * from './safetensors.ts';
export * from './sizes.ts';
export * from './weights.ts';
