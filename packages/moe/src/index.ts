/** @lpr/moe: Mixture-of-Experts routing methods, their losses, dispatch and experts. */
export * from './balanced-prices.ts';
export * from './calibration.ts';
export { fullChoices, partialChoices } from './choices.ts';
export * from './define-router.ts';
export * from './expert-parallel.ts';
export * from './experts.ts';
export { LATENT_MATRICES } from './latent-experts.ts';
export * from './losses/load-balancing.ts';
export { totalLoss } from './losses/total-loss.ts';
export * from './losses/z-loss.ts';
export * from './losses/squared-variation.ts';
export * from './moe-layer.ts';
export * from './normal-distribution.ts';
export {
  type NumberRule,
  numberRule,
  type OptionRule,
  type OptionRules,
  resolveOptions,
  type RouterCore,
  type RouterMethod,
  type RouterTraits,
  type RoutingReads,
  shown,
  topKFor,
} from './method.ts';
export { type BatchPart, mergeStatistics, type RoutingStatistics, statisticsOf } from './statistics.ts';
export { drawNoise, selectionOf } from './router.ts';
export { FAR } from './selection.ts';
export type {
  BalanceStatistics,
  LossTerm,
  Noise,
  RecordedRouting,
  RouteContext,
  Router,
  RouterShape,
  Routing,
  SelectionBias,
  UnusedSlots,
} from './router.ts';
export {
  checkRouter,
  createRouter,
  expectedExperts,
  resolveRouter,
  routerMethod,
  type RouterKind,
  routerMethods,
  type RouterOptions,
  routerParameters,
  routerTraits,
} from './routers/index.ts';
export * from './routers/latent-prototype/ema.ts';
export * from './routers/latent-prototype/diversity.ts';
export * from './routers/latent-prototype/measures.ts';
export {
  type DistributionMeasure,
  type LatentPrototypeOptions,
  type LatentPrototypePreset,
  latentPrototypePresets,
  latentPrototypeRules,
  resolveLatentPrototype,
  startOf,
  todaysSwitches,
  type VectorMeasure,
} from './routers/latent-prototype/options.ts';
export * from './routers/latent-prototype/regularizers.ts';
export { smoothStep } from './routers/dselect-k.ts';
export { sinkhornFactors } from './routers/sinkhorn.ts';
