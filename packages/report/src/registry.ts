/** Every figure that is drawn of runs, in the order of a report. A new one is a file in `figures/` and a line here. */
import { coactivation } from './figures/coactivation.ts';
import { curves } from './figures/curves.ts';
import { domains } from './figures/domains.ts';
import type { Figure } from './figures/figure.ts';
import { gradients } from './figures/gradients.ts';
import { latentGeometry, latents } from './figures/latents.ts';
import { loadHistory } from './figures/load-history.ts';
import { loadHeldOut, loadHeldOutSorted, loadTraining, loadTrainingSorted } from './figures/load.ts';
import { lorenz } from './figures/lorenz.ts';
import { lossBalance } from './figures/loss-balance.ts';
import { routingStrip } from './figures/routing-strip.ts';
import { saturation } from './figures/saturation.ts';
import { stepTime } from './figures/step-time.ts';
import { vocabulary } from './figures/vocabulary.ts';

export const FIGURES: readonly Figure[] = [
  loadHeldOut,
  loadHeldOutSorted,
  curves,
  lorenz,
  lossBalance,
  loadTraining,
  loadTrainingSorted,
  loadHistory,
  gradients,
  stepTime,
  routingStrip,
  saturation,
  coactivation,
  domains,
  vocabulary,
  latents,
  latentGeometry,
];
