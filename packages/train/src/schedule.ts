/** Learning-rate schedules, as factors of the base learning rate by optimiser step (counted from 0). */

/**
 * How the factor falls from 1 to 0 over the decay: half a cosine, a line, or `1 - sqrt(x)` (Hägele et al. 2024, arXiv
 * 2405.18392).
 */
export const DECAY_SHAPES = ['cosine', 'linear', 'squareRoot'] as const;
export type DecayShape = (typeof DECAY_SHAPES)[number];

/** Phases of a run, in steps. */
export interface Schedule {
  readonly warmupSteps: number;
  readonly stableSteps: number;
  readonly decaySteps: number;
  readonly decay: DecayShape;
  /** The factor that warm-up starts from and the decay ends at. */
  readonly minRatio: number;
}

/** A schedule that holds for the steps before a step of a run; from there on another one does. */
export interface EarlierSchedule {
  /** Steps done when it ends. */
  readonly until: number;
  readonly schedule: Schedule;
}

interface CommonScheduleOptions {
  /** Share of the steps in which the factor rises linearly from `minRatio` to 1. */
  readonly warmup: number;
  /** The factor that warm-up starts from and the decay ends at, in [0, 1]. */
  readonly minRatio: number;
}

/** Schedules by name; a phase is given as its share of all steps, in [0, 1]. */
export type ScheduleOptions =
  /**
   * Warm-up, then 1 for the share `stable`, then a decay over what is left (Hu et al. 2024, MiniCPM, arXiv 2404.06395).
   */
  | (CommonScheduleOptions & {
      readonly kind: 'warmupStableDecay';
      readonly stable: number;
      readonly decay: DecayShape;
    })
  /** Warm-up, then a decay over all that is left. */
  | (CommonScheduleOptions & { readonly kind: 'cosine' | 'linear' })
  /** Warm-up, then 1. */
  | (CommonScheduleOptions & { readonly kind: 'constant' });

/**
 * The phases of a schedule over a run. The shares 0.05 and 0.75 of a cosine `warmupStableDecay` are table 8 of the LPR
 * paper (arXiv 2506.21328).
 *
 * @throws RangeError when a share is negative or both together exceed 1, or minRatio is outside of [0, 1]
 */
export function makeSchedule(options: ScheduleOptions, steps: number): Schedule {
  const { kind, warmup, minRatio } = options;
  const stable = kind === 'warmupStableDecay' ? options.stable : 0;
  if (!(warmup >= 0 && stable >= 0 && warmup + stable <= 1)) {
    throw new RangeError(
      `schedule: the shares of warm-up (${warmup}) and stable phase (${stable}) must be at least 0 and together at most 1`,
    );
  }
  if (!(minRatio >= 0 && minRatio <= 1)) throw new RangeError(`schedule: minRatio must be in [0, 1], got ${minRatio}`);
  const warmupSteps = stepsOf(warmup, steps);
  if (kind === 'constant') {
    return { warmupSteps, stableSteps: Number.POSITIVE_INFINITY, decaySteps: 0, decay: 'linear', minRatio };
  }
  const stableSteps = Math.min(stepsOf(stable, steps), steps - warmupSteps);
  const decay = kind === 'warmupStableDecay' ? options.decay : kind;
  return { warmupSteps, stableSteps, decaySteps: steps - warmupSteps - stableSteps, decay, minRatio };
}

/** Of the share as it is written: 0.29 is a little less in binary, and of 50 steps it is 14.5 all the same. */
function stepsOf(share: number, steps: number): number {
  return Math.round(Number((share * steps).toPrecision(12)));
}

/**
 * The factor at a step: linear from `minRatio` to 1, then 1, then the decay back to `minRatio`, which holds from there
 * on. With a cosine this is `get_wsd_schedule` of Hugging Face transformers.
 */
export function learningRateFactor(schedule: Schedule, step: number): number {
  const { warmupSteps, stableSteps, decaySteps, decay, minRatio } = schedule;
  const phase = (): number => {
    if (step < warmupSteps) return step / warmupSteps;
    const decayed = step - warmupSteps - stableSteps;
    if (decayed < 0) return 1;
    return decayed < decaySteps ? remaining(decay, decayed / decaySteps) : 0;
  };
  return minRatio + (1 - minRatio) * phase();
}

/** What is left of 1 after a share of the decay. */
function remaining(decay: DecayShape, share: number): number {
  if (decay === 'linear') return 1 - share;
  return decay === 'squareRoot' ? 1 - Math.sqrt(share) : (1 + Math.cos(Math.PI * share)) / 2;
}
