/** ECharts options of the project's figures, as pure functions of plain data; for a page or for `@lpr/charts/node`. */
export { type CurvePanel, type CurvesInput, curvesSize, trainingCurves } from './curves.ts';
export { expertGroups, type ExpertGroupsInput, expertGroupsSize } from './expert-groups.ts';
export { expertLoad, type ExpertLoadInput, expertLoadSize } from './expert-load.ts';
export { type Drawn, withFootnotes } from './footnotes.ts';
export { type HeatmapInput, type HeatmapModel, heatmapSize, loadHeatmap } from './heatmap.ts';
export { type LineView, valueAt, type XAxisKind } from './line-view.ts';
export { latentSpace, type LatentsInput, latentsSize } from './latents.ts';
export { latentGeometry, type LatentGeometryInput, latentGeometrySize } from './latent-geometry.ts';
export { loadHistory, type LoadHistoryInput, loadHistorySize } from './load-history.ts';
export { lorenzCurves, type LorenzInput, lorenzSize } from './lorenz.ts';
export { colourOfLook, type Look, MOST_COLOURS } from './looks.ts';
export { cellFinder, type FoundCell } from './matrix.ts';
export { loadColour, type ThemeName } from './palette.ts';
export { lossBalance, type LossBalanceInput, lossBalanceSize, paretoFront } from './pareto.ts';
export { lossTokens, type LossTokensInput, lossTokensSize } from './loss-tokens.ts';
export {
  type ParallelAxis,
  parallelCoordinates,
  type ParallelCoordinatesInput,
  parallelCoordinatesSize,
} from './parallel-coordinates.ts';
export type { FigureOption, Size } from './parts.ts';
export { routingStrip, type RoutingStripInput, routingStripSize } from './routing-strip.ts';
export {
  type CoActivationInput,
  coActivationMatrix,
  coActivationSize,
  expertSimilarity,
  expertSimilaritySize,
  type SimilarityInput,
} from './specialisation.ts';
export {
  specialisationBalance,
  type SpecialisationBalanceInput,
  specialisationBalanceSize,
} from './specialisation-balance.ts';
export { stepTime, type StepTimeInput, stepTimeSize } from './step-time.ts';
export {
  gradientNorms,
  type GradientsInput,
  gradientsSize,
  routerSaturation,
  type SaturationInput,
  saturationSize,
} from './training.ts';
export { tokenScores, type TokenScoresInput, tokenScoresSize } from './token-scores.ts';
export { type VocabularyInput, vocabularySize, vocabularySpecialisation } from './vocabulary.ts';
