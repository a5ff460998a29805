/** Learning-rate schedules, as factors of the base learning rate by optimiser step (counted from 0). */

export interface WarmupStableDecay {
  readonly warmupSteps: number;
  readonly stableSteps: number;
  readonly decaySteps: number;
  /** The factor that warm-up starts from and the decay ends at. */
  readonly minRatio: number;
}

/**
 * Splits a run into warm-up, stable and decay phases by their shares of all steps; the decay gets what is left. With the shares
 * 0.05 and 0.75 this is the schedule of table 8 of the LPR paper (arXiv 2506.21328).
 *
 * @throws RangeError when a share is negative or both together exceed 1
 */
export function warmupStableDecay(
  steps: number,
  shares: { readonly warmup: number; readonly stable: number; readonly minRatio: number },
): WarmupStableDecay {
  const { warmup, stable, minRatio } = shares;
  if (!(warmup >= 0 && stable >= 0 && warmup + stable <= 1)) {
    throw new RangeError(
      `schedule: the shares of warm-up (${warmup}) and stable phase (${stable}) must be at least 0 and together at most 1`,
    );
  }
  if (!(minRatio >= 0 && minRatio <= 1)) throw new RangeError(`schedule: minRatio must be in [0, 1], got ${minRatio}`);
  const warmupSteps = Math.round(warmup * steps);
  const stableSteps = Math.min(Math.round(stable * steps), steps - warmupSteps);
  return { warmupSteps, stableSteps, decaySteps: steps - warmupSteps - stableSteps, minRatio };
}

/**
 * The factor at a step: linear from `minRatio` to 1, then 1, then a half cosine back to `minRatio`, which holds from there on
 * (`get_wsd_schedule` of Hugging Face transformers).
 */
export function learningRateFactor(schedule: WarmupStableDecay, step: number): number {
  const { warmupSteps, stableSteps, decaySteps, minRatio } = schedule;
  const phase = (): number => {
    if (step < warmupSteps) return step / warmupSteps;
    const decayed = step - warmupSteps - stableSteps;
    if (decayed < 0) return 1;
    return decayed < decaySteps ? (1 + Math.cos((Math.PI * decayed) / decaySteps)) / 2 : 0;
  };
  return minRatio + (1 - minRatio) * phase();
}
