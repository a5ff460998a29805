/** @lpr/moe: Mixture-of-Experts routing methods, their losses, dispatch and experts. */
export * from './experts.ts';
export { labelled, withoutGradients } from './graph.ts';
export * from './losses/loadBalancing.ts';
export * from './moeLayer.ts';
export {
  below,
  constantSpec,
  createParameters,
  type Initial,
  type ParameterSpec,
  tensorNamed,
  WEIGHT_STD,
  weightSpec,
  withPrefix,
} from './parameters.ts';
export type { LossTerm, Noise, RouteContext, Router, RouterShape, Routing } from './router.ts';
export { createRouter, type RouterOptions, routerParameters } from './routers/index.ts';
export {
  type LatentPrototypeOptions,
  type LatentPrototypePreset,
  latentPrototypePresets,
  resolveLatentPrototype,
} from './routers/latentPrototype/options.ts';
export { LatentPrototypeRouter } from './routers/latentPrototype/router.ts';
export { type TopKSoftmaxOptions, TopKSoftmaxRouter } from './routers/topKSoftmax.ts';
