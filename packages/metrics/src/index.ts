/**
 * Measures of load balance, router health and specialisation from plain arrays; what they are worth; exact records of
 * loads and routing.
 */
export { largest, type MeasureRange } from './arrays.ts';
export * from './balance.ts';
export {
  type BalanceKey,
  type BalanceMeasure,
  balanceMeasures,
  type BalanceReport,
  balanceReport,
  type Bounds,
  type LayersReport,
  layersReport,
  mapMeasures,
} from './balance-measures.ts';
export * from './bootstrap.ts';
export * from './counts.ts';
export * from './expert-similarity.ts';
export * from './health.ts';
export * from './held-out-blocks.ts';
export * from './latent-plane.ts';
export * from './loads.ts';
export { type Matrix, symmetricEigen, type SymmetricEigen } from './matrix.ts';
export * from './placement.ts';
export * from './principal-components.ts';
export * from './rank-correlation.ts';
export * from './references.ts';
export { normalMargin, selectionMargin } from './router-decisions.ts';
export { independentOverlap } from './routing-stability.ts';
export * from './specialisation.ts';
export * from './statistics.ts';
export * from './text-floor.ts';
export * from './token-groups.ts';
export * from './token-type-floor.ts';
export * from './trace-file.ts';
export {
  coActivation,
  type CoActivation,
  compareTraces,
  expertsOf,
  type ExpertTokenCounts,
  expertTokenCounts,
  type LayerDifference,
  saturation,
  traceGateMass,
  traceLoads,
  vocabularySpecialisation,
  type VocabularySpecialisationOptions,
} from './trace-measures.ts';
export { replayTrace, type RoutingTrace, type TracedBatch, TraceRecorder } from './traces.ts';
export * from './uniformity.ts';
