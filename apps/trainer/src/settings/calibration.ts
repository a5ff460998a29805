/** The setting `training.calibration`: it needs a router whose selection bias decides which experts are chosen. */
import { ConfigError, type DecoderPlan, planDecoder } from '@lpr/model';
import { routerTraits } from '@lpr/moe';
import { decoderConfig } from './decoder-config.ts';
import { type Fault, shown } from './faults.ts';
import { isGroup, type Partials } from './merge.ts';
import { type Settings, settingsSchema } from './schema.ts';

/** Whether some layer's router has a selection bias that decides which experts are chosen. */
export function hasSelectionBias({ layers }: DecoderPlan): boolean {
  return layers.some(({ feedForward }) => {
    if (feedForward.kind !== 'moe' || feedForward.topK === feedForward.experts) return false;
    return routerTraits(feedForward.router).selectionBias !== undefined;
  });
}

/**
 * Tokens that a run is calibrated on, over all rounds: at the end of its steps, and wherever it had ended before it was
 * lengthened. A training text that is shorter than a round is taken for as long as one.
 *
 * @param done steps: a run that stopped before its last one was not calibrated there
 */
export function calibratedTokens({ training }: Settings, done: number = training.steps): number {
  const { calibration, steps } = training;
  if (calibration === null) return 0;
  const ends = earlierEnds(training).length + (done === steps ? 1 : 0);
  return ends * calibration.rounds * calibration.tokens;
}

/** Steps at which a run had ended before it was lengthened. */
export function earlierEnds({ lengthened = [] }: Settings['training']): number[] {
  return lengthened.filter(({ steps, until }) => steps === until).map(({ until }) => until);
}

/** That there is nothing to calibrate. */
export function calibrationFaults({ training }: Settings, plan: DecoderPlan): Fault[] {
  if (training.calibration === null || hasSelectionBias(plan)) return [];
  const problem = `got ${shown(training.calibration)}, but no router of this model has a selection bias to set; leave it out`;
  return [{ path: 'training.calibration', problem }];
}

/** Settings without a calibration that would change nothing; settings that do not fit stay (the check says why). */
export function withoutIdleCalibration(settings: Partials): Partials {
  const parsed = settingsSchema.safeParse(settings);
  const { training } = settings;
  if (!parsed.success || parsed.data.training.calibration === null || !isGroup(training)) return settings;
  try {
    const plan = planDecoder(decoderConfig(parsed.data, parsed.data.size.vocabulary));
    return hasSelectionBias(plan) ? settings : { ...settings, training: { ...training, calibration: null } };
  } catch (error) {
    if (error instanceof ConfigError) return settings;
    throw error;
  }
}
