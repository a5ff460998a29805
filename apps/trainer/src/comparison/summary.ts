/**
 * What is known of finished runs: their evaluations, how they trained, the levels that they are to be read against, and
 * what the seeds of a setting say together.
 */
import { join } from 'node:path';
import { type Counts, expertsPerToken } from '@lpr/metrics';
import { type FlopsPerToken, predictFlops } from '@lpr/model';
import {
  latentDims,
  levelSize,
  placementCosts,
  routedWindow,
  runNames,
  simulatedLevels,
  uniformPValue,
} from '@lpr/report/tables';
import { differenceOf, errorsOf, estimateOf, groupRuns, mapQuantities, type RunResult } from '@lpr/results';
import {
  type EvaluationLine,
  finalEvaluation,
  overallTokensPerSecond,
  readRun,
  type Run,
  settingTexts,
  type Summary,
  timeShares,
} from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { calibratedTokens } from '../settings/calibration.ts';
import { decoderConfig } from '../settings/decoder-config.ts';
import type { Settings } from '../settings/schema.ts';
import { baselinesOf, bootstrapsOf } from './baselines.ts';
import { type Comparison, settingNames } from './comparison.ts';
import { type Model, runResult } from './results.ts';

/** A comparison whose runs are finished, read from its folder. */
export interface FinishedRuns {
  readonly runs: readonly Run[];
  readonly models: readonly Model[];
  /** By the names of their settings, with titles that tell these apart. */
  readonly results: readonly RunResult[];
}

/** @throws UsageError when a run is not finished */
export async function readFinished(folder: string, comparison: Comparison): Promise<FinishedRuns> {
  const runs = await Promise.all(Array.from(comparison.runs.keys(), (name) => readRun(join(folder, name))));
  const models = summarize(runs, comparison.runs);
  const bootstraps = await bootstrapsOf(comparison, runs);
  const names = settingNames(comparison);
  const titles = titlesOf(comparison, names);
  const results = models.map((model) => {
    const name = names.get(model.name)!;
    return {
      ...runResult(comparison.runs.get(model.name)!, { ...model, name }, titles.get(name)),
      bootstrap: bootstraps.get(name),
    };
  });
  return { runs, models, results };
}

/** Of each setting, made of the settings that its runs share. */
function titlesOf({ runs }: Comparison, names: ReadonlyMap<string, string>): Map<string, string> {
  const firsts = new Map<string, Settings>();
  for (const [run, settings] of runs) if (!firsts.has(names.get(run)!)) firsts.set(names.get(run)!, settings);
  const titles = runNames(
    Array.from(firsts, ([name, settings]) => ({ name, path: name, settings: new Map(settingTexts(settings)) })),
  );
  return new Map(Array.from(firsts.keys(), (name, i) => [name, titles[i]!]));
}

/** What `summary.json` holds of a finished comparison. */
export function summaryOf(comparison: Comparison, models: readonly Model[], results: readonly RunResult[]): Summary {
  const names = settingNames(comparison);
  const baselines = baselinesOf(comparison);
  const groups = groupRuns(results);
  return {
    settings: groups.map((group) => {
      const others = groups.filter(({ name }) => baselines.get(group.name)!.has(name));
      const seeds = group.runs.map(({ seed }) => seed);
      return {
        name: group.name,
        runs: seeds.map(
          (seed) => models.find((model) => names.get(model.name) === group.name && model.seed === seed)!.name,
        ),
        seeds,
        errorsOf: errorsOf(group),
        estimates: mapQuantities((quantity) => estimateOf(group, quantity)),
        differences: Object.fromEntries(
          others.map((other) => [other.name, mapQuantities((quantity) => differenceOf(group, other, quantity))]),
        ),
      };
    }),
    models,
  };
}

/**
 * Runs by their names, with the settings that they were made of.
 *
 * @throws UsageError when one is not finished
 */
export function summarize(runs: readonly Run[], settingsOf: ReadonlyMap<string, Settings>): Model[] {
  const levels = simulatedLevels();
  const widths = latentDims(runs.map(({ name }) => settingsOf.get(name)!.lpr?.latentDim ?? null));
  return runs.map((run, i) => {
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
      ...(size !== null && { placement: placementCosts(counts) }),
      levels: (size === null ? undefined : levels(size)) ?? null,
    };
  });
}

/**
 * Floating-point operations of all steps, by the experts that their tokens went to, and of the calibration. Known from
 * the loads of the training and the operations of a held-out token, from which a training token differs by its experts
 * alone; calibration routes a token as evaluation does.
 *
 * @returns null where the loads of some steps are missing, or the run is of an earlier version
 */
function trainingFlops(run: Run, settings: Settings, evaluation: EvaluationLine): number | null {
  const { usage, counts, tokens, evaluatedTokens } = evaluation;
  const windows = run.loads.value?.windows ?? [];
  const counted = windows.reduce((sum, window) => sum + window.tokens, 0);
  if (usage === undefined || (counts.length > 0 && counted !== tokens)) return null;
  const config = decoderConfig(settings, settings.size.vocabulary);
  const perToken = (ran: readonly number[]): FlopsPerToken =>
    predictFlops(config, { sequence: settings.data.sequenceLength, expertsPerToken: ran });
  const inTraining = counts.map((_, layer) =>
    windows.reduce((sum, window) => sum + pairsOf(window.counts[layer]!) / tokens, 0),
  );
  const heldOut = perToken(counts.map((loads) => pairsOf(loads) / evaluatedTokens));
  const steps = 3 * tokens * (usage.flopsPerToken + perToken(inTraining).forward - heldOut.forward);
  return steps + calibratedTokens(settings, evaluation.step) * heldOut.withoutHead;
}

/** Token-expert pairs of a layer. */
function pairsOf(loads: Counts): number {
  return expertsPerToken([loads], 1);
}
