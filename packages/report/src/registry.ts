/** Every figure that is drawn of runs, in the order of a report. A new one is a file in `figures/` and a line here. */
import { coactivation } from './figures/coactivation.ts';
import { curves } from './figures/curves.ts';
import { decisions } from './figures/decisions.ts';
import { domains, frequencies, positions } from './figures/expert-groups.ts';
import { expertSimilarity } from './figures/expert-similarity.ts';
import type { Figure } from './figures/figure.ts';
import { gradients } from './figures/gradients.ts';
import { latentGeometry, latents } from './figures/latents.ts';
import { loadHistory } from './figures/load-history.ts';
import { loadHeldOut, loadHeldOutSorted, loadTraining, loadTrainingSorted } from './figures/load.ts';
import { lorenz } from './figures/lorenz.ts';
import { lossBalance } from './figures/loss-balance.ts';
import { lossTokensHeldOut, lossTokensTraining } from './figures/loss-tokens.ts';
import { parallelCoordinates } from './figures/parallel-coordinates.ts';
import { ranks } from './figures/ranks.ts';
import { routingStrip } from './figures/routing-strip.ts';
import { saturation, stability } from './figures/saturation.ts';
import { specialisationBalance } from './figures/specialisation-balance.ts';
import { stepTime } from './figures/step-time.ts';
import { vocabulary } from './figures/vocabulary.ts';

export const FIGURES: readonly Figure[] = [
  loadHeldOut,
  loadHeldOutSorted,
  curves,
  lorenz,
  lossBalance,
  lossTokensHeldOut,
  lossTokensTraining,
  specialisationBalance,
  parallelCoordinates,
  loadTraining,
  loadTrainingSorted,
  loadHistory,
  gradients,
  stepTime,
  ranks,
  routingStrip,
  decisions,
  saturation,
  stability,
  coactivation,
  domains,
  positions,
  frequencies,
  vocabulary,
  expertSimilarity,
  latents,
  latentGeometry,
];
