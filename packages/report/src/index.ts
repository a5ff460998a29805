/** Figures and tables of runs as records, each made once and drawn by pictures, reports and the page alike. */
export { coactivation, coActivationRecord } from './figures/coactivation.ts';
export { curves, curvesRecord } from './figures/curves.ts';
export { decisions, decisionsRecord } from './figures/decisions.ts';
export {
  domains,
  domainsRecord,
  frequencies,
  frequenciesRecord,
  positions,
  positionsRecord,
} from './figures/expert-groups.ts';
export { expertLoad, expertLoadRecord } from './figures/expert-load.ts';
export { expertSimilarity } from './figures/expert-similarity.ts';
export {
  defineFigure,
  type Figure,
  type FigureContext,
  type FigureOf,
  type FigureRecord,
  type FigureWith,
  type Leveled,
  levelsOfRuns,
  type Made,
  type Need,
  type Picture,
  type Style,
} from './figures/figure.ts';
export { gradients, gradientsRecord } from './figures/gradients.ts';
export { givenLatentsRecord, latentGeometry, latents } from './figures/latents.ts';
export { loadHistory, loadHistoryRecord } from './figures/load-history.ts';
export { loadHeldOut, loadHeldOutSorted, loadRecord, loadTraining, loadTrainingSorted } from './figures/load.ts';
export { lorenz, lorenzRecord } from './figures/lorenz.ts';
export { lossBalance, lossBalanceRecord } from './figures/loss-balance.ts';
export { lossTokensHeldOut, lossTokensTraining } from './figures/loss-tokens.ts';
export { parallelCoordinates, parallelRecord } from './figures/parallel-coordinates.ts';
export { ranks, ranksRecord } from './figures/ranks.ts';
export { routingStrip, routingStripRecord, STRIP_TOKENS } from './figures/routing-strip.ts';
export { saturation, saturationRecord, stability, stabilityRecord } from './figures/saturation.ts';
export { specialisationBalance } from './figures/specialisation-balance.ts';
export { stepTime, stepTimeRecord } from './figures/step-time.ts';
export { tokenScores, tokenScoresRecord } from './figures/token-scores.ts';
export { vocabulary, vocabularyRecord } from './figures/vocabulary.ts';
export { entriesOf, type LookChoice, settingEntries, withLooks } from './looks.ts';
export { overviewRuns } from './overview-runs.ts';
export * from './parts.ts';
export { FIGURES } from './registry.ts';
export { recordJson, recordsText, storedPictures } from './stored.ts';
export * from './tables.ts';
