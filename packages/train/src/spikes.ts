/** Loss spikes: a loss far above those of the steps before it. */
import { DivergedError, type StepReport } from './trainer.ts';

export interface LossSpikeOptions {
  /** Standard deviations above the mean of the window from which on a loss is a spike. */
  readonly sigmas: number;
  /** Steps before it that it is compared with; no loss is judged before there are so many. */
  readonly window: number;
}

/** Training stopped because the loss of a step was far above those before it. */
export class LossSpikeError extends DivergedError {
  override readonly name = 'LossSpikeError';
}

/**
 * @param losses of all steps before
 * @throws LossSpikeError when the loss of a step is above `mean + sigmas * deviation` of those in the window before it
 */
export function checkSpike(report: StepReport, losses: readonly number[], { sigmas, window }: LossSpikeOptions): void {
  if (losses.length < window) return;
  const recent = losses.slice(-window);
  const mean = recent.reduce((a, b) => a + b, 0) / window;
  const deviation = Math.sqrt(recent.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / window);
  const limit = mean + sigmas * deviation;
  if (report.loss <= limit) return;
  throw new LossSpikeError(
    report.step,
    `the loss spiked at step ${report.step}: ${report.loss}, where the ${window} steps before had ${mean.toFixed(4)} on average, ` +
      `with a deviation of ${deviation.toFixed(4)}; ${limit.toFixed(4)} was the limit (${sigmas} deviations above). ` +
      `Raise the limit, then resume; or start a new run with a lower learning rate (${report.learningRate} at this step)`,
  );
}
