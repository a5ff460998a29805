/**
 * What is known of finished runs: their evaluations, how they trained, and the levels that they are to be read against.
 */
import { latentDims, levelSize, routedWindow, simulatedLevels, uniformPValue } from '@lpr/report/tables';
import { type Counts, expertsPerToken } from '@lpr/metrics';
import { predictFlops } from '@lpr/model';
import {
  type EvaluationLine,
  finalEvaluation,
  overallTokensPerSecond,
  type Run,
  type Summary,
  timeShares,
} from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { decoderConfig } from '../settings/decoder-config.ts';
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
    models: runs.map((run, i) => {
      const { name, folder, environment, metrics, evaluations } = run;
      const settings = settingsOf.get(name)!;
      const { router, architecture, seed } = settings;
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
        ...(evaluation.usage && { usage: evaluation.usage }),
        trainingFlops: trainingFlops(run, settings, evaluation),
        balance: evaluation.balance,
        pValue: uniformPValue(counts, evaluatedTokens),
        mutualInformation: evaluation.mutualInformation,
        mutualInformationBias: evaluation.mutualInformationBias,
        levels: (size === null ? undefined : levels(size)) ?? null,
      };
    }),
  };
}

/**
 * Floating-point operations of all steps, by the experts that their tokens went to. Known from the loads of the
 * training and the operations of a held-out token, from which a training token differs by its experts alone.
 *
 * @returns null where the loads of some steps are missing, or the run is of an earlier version
 */
function trainingFlops(run: Run, settings: Settings, evaluation: EvaluationLine): number | null {
  const { usage, counts, tokens, evaluatedTokens } = evaluation;
  const windows = run.loads.value?.windows ?? [];
  const counted = windows.reduce((sum, window) => sum + window.tokens, 0);
  if (usage === undefined || (counts.length > 0 && counted !== tokens)) return null;
  const config = decoderConfig(settings, settings.size.vocabulary);
  const forward = (ran: readonly number[]): number =>
    predictFlops(config, { sequence: settings.data.sequenceLength, expertsPerToken: ran }).forward;
  const inTraining = counts.map((_, layer) =>
    windows.reduce((sum, window) => sum + pairsOf(window.counts[layer]!) / tokens, 0),
  );
  const heldOut = counts.map((loads) => pairsOf(loads) / evaluatedTokens);
  return 3 * tokens * (usage.flopsPerToken + forward(inTraining) - forward(heldOut));
}

/** Token-expert pairs of a layer. */
function pairsOf(loads: Counts): number {
  return expertsPerToken([loads], 1);
}
