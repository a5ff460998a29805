/**
 * What is known of finished runs: their evaluations, how they trained, and the levels that they are to be read against.
 */
import { latentDims, levelSize, routedWindow, simulatedLevels, uniformPValue } from '@lpr/report/tables';
import { finalEvaluation, overallTokensPerSecond, type Run, type Summary, timeShares } from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import type { Settings } from '../settings/schema.ts';

/**
 * Runs by their names, with the settings that they were made of.
 *
 * @throws UsageError when one is not finished
 */
export function summarize(runs: readonly Run[], settingsOf: ReadonlyMap<string, Settings>): Summary {
  const levels = simulatedLevels();
  const widths = latentDims(runs.map(({ name }) => settingsOf.get(name)!.lpr?.latentDim ?? null));
  return {
    models: runs.map(({ name, folder, environment, metrics, evaluations }, i) => {
      const { router, architecture, seed } = settingsOf.get(name)!;
      const evaluation = finalEvaluation(evaluations.value ?? []);
      if (evaluation === undefined) throw new UsageError(`${folder} is not finished; resume it first`);
      const { counts, evaluatedTokens } = evaluation;
      const window = routedWindow(counts, evaluatedTokens);
      const size = levelSize(window, widths[i]!);
      const speed = overallTokensPerSecond(metrics.value ?? []);
      return {
        ...{ name, router, architecture, seed },
        steps: evaluation.step,
        tokens: evaluation.tokens,
        experts: window.experts,
        expertsPerToken: size === null ? null : window.expertsPerToken,
        device: environment?.device ?? null,
        threads: environment?.threads ?? null,
        tokensPerSecond: speed === null ? null : Math.round(speed),
        stepTimeShares: timeShares(metrics.value ?? []),
        evaluationTokens: evaluatedTokens,
        testLoss: evaluation.loss,
        balance: evaluation.balance,
        pValue: uniformPValue(counts, evaluatedTokens),
        mutualInformation: evaluation.mutualInformation,
        mutualInformationBias: evaluation.mutualInformationBias,
        levels: (size === null ? undefined : levels(size)) ?? null,
      };
    }),
  };
}
