/**
 * Comparisons at equal cost: every run gets as many steps as the floating-point operations of the first one's training
 * allow, and its schedule is stretched over them.
 *
 * A run that is calibrated pays for that too, and trains for fewer steps. A training token is counted at three times
 * its forward pass, with the experts that its method sends it to where it works as it is meant to: k, all of a dense
 * mixture, `k M / (M + m)` of AdaMoE with m null experts. ReMoE steers to k on average and DSelect-k to at most k,
 * but both begin with more: what a token took is not known before it ran, so they go over the budget. Their steps
 * stay those of k, so that a run is decided by its settings and resumes bit by bit; the table says what each training
 * really took.
 */
import { planDecoder, predictFlops } from '@lpr/model';
import { expectedExperts } from '@lpr/moe';
import { tokensOfRun } from '../run/prediction.ts';
import { calibratedTokens } from '../settings/calibration.ts';
import { decoderConfig } from '../settings/decoder-config.ts';
import type { Settings } from '../settings/schema.ts';

/** The same runs with the steps that make each cost what the first one costs, as nearly as whole steps can. */
export function withEqualFlops(runs: ReadonlyMap<string, Settings>): Map<string, Settings> {
  const [first] = runs.values();
  if (first === undefined) return new Map();
  const own = costsOf(first);
  const budget = first.training.steps * own.step + own.calibration;
  return new Map(
    Array.from(runs, ([name, settings]) => {
      const { step, calibration } = costsOf(settings);
      const steps = Math.max(1, Math.round((budget - calibration) / step));
      return [name, { ...settings, training: { ...settings.training, steps } }];
    }),
  );
}

/** Floating-point operations of a step, and of the calibration after the last one. */
function costsOf(settings: Settings): { step: number; calibration: number } {
  const config = decoderConfig(settings, settings.size.vocabulary);
  const expertsPerToken = planDecoder(config).layers.flatMap(({ feedForward }) =>
    feedForward.kind === 'dense' ? [] : [expectedExperts(feedForward.router, feedForward)],
  );
  const flops = predictFlops(config, { sequence: settings.data.sequenceLength, expertsPerToken });
  return {
    step: (flops.training * tokensOfRun(settings)) / settings.training.steps,
    calibration: flops.withoutHead * calibratedTokens(settings),
  };
}
