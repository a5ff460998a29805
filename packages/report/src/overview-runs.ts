/** Rows of an overview, from the parts of runs. */
import type { SeriesFile } from '@lpr/runs/browser';
import { type FigureContext, type Leveled, levelsOfRuns } from './figures/figure.ts';
import { routedWindow, uniformPValue } from './levels.ts';
import type { RunParts } from './parts.ts';
import type { Measures } from './tables/measures.ts';
import type { OverviewRun } from './tables/overview.ts';

/** On held-out text where a run was evaluated, else of its newest window. @param folders names of their folders */
export function overviewRuns(
  runs: readonly RunParts[],
  folders: readonly string[],
  context: FigureContext,
): OverviewRun[] {
  const windows = runs.map(({ evaluation: { value: evaluation }, window }) =>
    evaluation === undefined ? window : routedWindow(evaluation.counts, evaluation.evaluatedTokens),
  );
  const leveled = runs.map(
    ({ name, facts }, i): Leveled => ({ name, window: windows[i]!, latentDim: facts.latentDim }),
  );
  const levels = levelsOfRuns(leveled, context);
  return runs.map((run, i): OverviewRun => {
    const { facts, evaluation, series } = run;
    const window = windows[i];
    return {
      ...levels[i]!,
      folder: folders[i]!,
      router: facts.router,
      seed: facts.seed,
      step: evaluation.value?.step ?? series.value?.series['loss']?.steps.at(-1) ?? null,
      trainingLoss: null,
      tokensPerSecond: null,
      heldOut: heldOutOf(run),
      expertsPerToken: window?.expertsPerToken ?? null,
      mean: evaluation.value === undefined ? lastOf(series.value, 'balance') : (evaluation.value.balance?.mean ?? null),
      worst: evaluation.value === undefined ? lastOf(series.value, 'worst') : (evaluation.value.balance?.worst ?? null),
    };
  });
}

function heldOutOf({ evaluation: { value: evaluation } }: RunParts): OverviewRun['heldOut'] {
  if (evaluation === undefined) return null;
  const { evaluatedTokens: tokens, loss, perplexity, usage = null, counts } = evaluation;
  const { mutualInformation, mutualInformationBias } = evaluation;
  const information = mutualInformation === null ? null : mutualInformation - (mutualInformationBias ?? 0);
  return { tokens, loss, perplexity, information, pValue: uniformPValue(counts, tokens), usage };
}

/** The newest value of each measure in a group of series. */
function lastOf(file: SeriesFile | undefined, group: 'balance' | 'worst'): Measures | null {
  const found = Object.entries(file?.series ?? {}).flatMap(([name, { values }]) =>
    name.startsWith(`${group}.`) ? [[name.slice(group.length + 1), values.at(-1) ?? null] as const] : [],
  );
  return found.length === 0 ? null : Object.fromEntries(found);
}
