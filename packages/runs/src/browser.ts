/** @lpr/runs/browser: what of this package runs without a file system: types, and what follows from lines. */
export type { Balance, Measures } from './balance.ts';
export {
  decisionsOverLayers,
  type EvaluationLine,
  finalEvaluation,
  type MeanDecisions,
  type Usage,
  usageSchema,
} from './evaluation-line.ts';
export { type RunFacts, settingTexts } from './facts.ts';
export type { LoadsInfo } from './load-windows.ts';
export { type MetricsLine, overallTokensPerSecond, type PartNorms, seriesOf, timeShares } from './metrics-line.ts';
export { MetricsSeries, type SeriesFile } from './metrics-series.ts';
export type { RunNote } from './note.ts';
export { messageOf } from './plain.ts';
export type { Part } from './run-files.ts';
export type { Series } from './series.ts';
export type { LayerSimilarity, Similarity } from './similarity.ts';
export type { LayerLatents, Traces } from './traces.ts';
