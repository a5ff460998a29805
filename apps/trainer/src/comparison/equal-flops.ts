/**
 * Comparisons at equal cost: every run gets as many steps as the floating-point operations of the first one's training
 * allow, and its schedule is stretched over them.
 *
 * A training token is counted at three times its forward pass, with the experts that its method sends it to where it
 * works as it is meant to: k, all of a dense mixture, `k M / (M + m)` of AdaMoE with m null experts. ReMoE steers to k
 * on average and DSelect-k to at most k, but both begin with more: what a token took is not known before it ran, so
 * they go over the budget. Their steps stay those of k, so that a run is decided by its settings and resumes bit by
 * bit; the table says what each training really took.
 */
import { planDecoder, predictFlops } from '@lpr/model';
import { expectedExperts } from '@lpr/moe';
import { tokensOfRun } from '../run/prediction.ts';
import { decoderConfig } from '../settings/decoder-config.ts';
import type { Settings } from '../settings/schema.ts';

/** The same runs with the steps that make each cost what the first one costs, as nearly as whole steps can. */
export function withEqualFlops(runs: ReadonlyMap<string, Settings>): Map<string, Settings> {
  const [first] = runs.values();
  if (first === undefined) return new Map();
  const budget = first.training.steps * flopsOfStep(first);
  return new Map(
    Array.from(runs, ([name, settings]) => {
      const steps = Math.max(1, Math.round(budget / flopsOfStep(settings)));
      return [name, { ...settings, training: { ...settings.training, steps } }];
    }),
  );
}

function flopsOfStep(settings: Settings): number {
  const config = decoderConfig(settings, settings.size.vocabulary);
  const expertsPerToken = planDecoder(config).layers.flatMap(({ feedForward }) =>
    feedForward.kind === 'dense' ? [] : [expectedExperts(feedForward.router, feedForward)],
  );
  const { training } = predictFlops(config, { sequence: settings.data.sequenceLength, expertsPerToken });
  return (training * tokensOfRun(settings)) / settings.training.steps;
}
