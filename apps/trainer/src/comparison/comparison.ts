/**
 * A comparison: runs on the same text, trained one after the other, then set side by side. They differ in their router
 * alone, or are rows of the paper's tables. Its folder holds `comparison.yaml` (the settings of each run), a run folder
 * for each, and in the end `summary.json`, heatmaps and curves.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type BalanceReport, type ReferenceLevel, referenceLevels as simulateLevels } from '@lpr/metrics';
import { latentPrototypePresets } from '@lpr/moe';
import {
  COMPARISON_FILES,
  createComparison as createComparisonFolder,
  type EvaluationLine,
  lockFolder,
  overallTokensPerSecond,
  readComparison as readStoredComparison,
  readRun,
  RUN_FILES,
  RunFolder,
  type Summary,
  timeShares,
  writeSummary,
} from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { finishRun } from '../run/finish.ts';
import type { Session } from '../run/session.ts';
import { checkStoredSettings } from '../settings/check.ts';
import type { Settings } from '../settings/schema.ts';
import { drawComparison } from './figures.ts';
import { PAPER_TABLES, type PaperTableNumber } from './paper.ts';

/** The levels that routers without any structure reach at the same number of tokens. */
interface ReferenceLevels {
  readonly tokens: number;
  readonly samplingFloor: Pick<BalanceReport, 'gini' | 'minMax'>;
  readonly isotropicNull: Pick<BalanceReport, 'gini' | 'minMax'>;
}

export interface Comparison {
  /** By the name of the run's folder. */
  readonly runs: ReadonlyMap<string, Settings>;
  /** Of the paper: for each row, the name of its run. Without any, the runs differ in their router alone. */
  readonly tables: ReadonlyMap<PaperTableNumber, readonly string[]>;
}

/**
 * Makes the folder of a comparison.
 *
 * @throws Error when something is there already
 */
export async function createComparison(folder: string, { runs, tables }: Comparison): Promise<void> {
  await createComparisonFolder(folder, { runs: Object.fromEntries(runs), tables: Object.fromEntries(tables) });
}

/**
 * The comparison in a folder; null when it holds none.
 *
 * @throws Error when its file is damaged; UsageError when the settings of a run are, or a table has other rows than the
 *   paper's
 */
export async function readComparison(folder: string): Promise<Comparison | null> {
  const stored = await readStoredComparison(folder);
  if (stored === null) return null;
  const path = join(folder, COMPARISON_FILES.comparison);
  const tables = Object.entries(stored.tables).map(([number, names]) => {
    const table = Number(number) as PaperTableNumber;
    if (names.length === PAPER_TABLES[table]?.rows.length) return [table, names] as const;
    throw new UsageError(`${path} is damaged: table ${number} must name a run for every row that it has in the paper`);
  });
  const runs = Object.entries(stored.runs).map(
    ([name, settings]) => [name, checkStoredSettings(settings, `${path}, run ${name}`)] as const,
  );
  return { runs: new Map(runs), tables: new Map(tables) };
}

/**
 * Trains and evaluates what is left of a comparison, then writes its summary and figures.
 *
 * @returns null when the signal stopped it (a checkpoint was saved)
 */
export async function finishComparison(
  session: Session,
  folder: string,
  comparison: Comparison,
  signal: AbortSignal,
): Promise<Summary | null> {
  const unlock = await lockFolder(folder);
  try {
    return await finishLocked(session, folder, comparison, signal);
  } finally {
    await unlock();
  }
}

async function finishLocked(
  session: Session,
  folder: string,
  comparison: Comparison,
  signal: AbortSignal,
): Promise<Summary | null> {
  const { runs } = comparison;
  const results = new Map<string, EvaluationLine>();
  for (const [name, settings] of runs) {
    const path = join(folder, name);
    const run = await openOrCreate(path, settings);
    try {
      const origin = join(folder, COMPARISON_FILES.comparison);
      const result = await finishRun(session, run, settings, { name, origin, signal });
      if (result === null) return null;
      results.set(name, result);
    } finally {
      await run.close();
    }
  }
  session.progress.phase('drawing the figures');
  const summary = await summarize(folder, runs, results);
  await drawComparison(folder, comparison, results);
  await writeSummary(folder, summary);
  return summary;
}

async function openOrCreate(path: string, settings: Settings): Promise<RunFolder> {
  return existsSync(join(path, RUN_FILES.config)) ? await RunFolder.open(path) : await RunFolder.create(path, settings);
}

/** Both levels for one layer of this size and that many tokens. */
export function referenceLevels({ size, lpr }: Settings, tokens: number): ReferenceLevels {
  const { latentDim } = lpr ?? latentPrototypePresets.corrected;
  const levels = simulateLevels({ experts: size.experts, topK: size.topK, tokens, latentDim });
  const pick = ({ expected: { gini, minMax } }: ReferenceLevel) => ({ gini, minMax });
  return { tokens, samplingFloor: pick(levels.samplingFloor), isotropicNull: pick(levels.isotropicNull) };
}

/** What is known of finished runs in a folder, by their names. */
export async function summarize(
  folder: string,
  runs: ReadonlyMap<string, Settings>,
  results: ReadonlyMap<string, EvaluationLine>,
): Promise<Summary> {
  const models = Array.from(results, async ([name, evaluation]) => {
    const settings = runs.get(name)!;
    const { environment, metrics } = await readRun(join(folder, name));
    const speed = overallTokensPerSecond(metrics.value ?? []);
    const { gini = null, minMax = null } = evaluation.balance?.mean ?? {};
    const worst = evaluation.balance?.worst ?? {};
    return {
      name,
      router: settings.router,
      architecture: settings.architecture,
      seed: settings.seed,
      steps: evaluation.step,
      tokens: evaluation.tokens,
      topK: settings.size.topK,
      device: environment?.device ?? null,
      threads: environment?.threads ?? null,
      tokensPerSecond: speed === null ? null : Math.round(speed),
      stepTimeShares: timeShares(metrics.value ?? []),
      evaluationTokens: evaluation.evaluatedTokens,
      testLoss: evaluation.loss,
      gini,
      minMax,
      worst: { gini: worst.gini ?? null, minMax: worst.minMax ?? null },
      mutualInformation: evaluation.mutualInformation,
      mutualInformationBias: evaluation.mutualInformationBias,
      ...levelsOf(settings, evaluation.evaluatedTokens),
    };
  });
  return { models: await Promise.all(models) };
}

function levelsOf(settings: Settings, tokens: number): Pick<ReferenceLevels, 'samplingFloor' | 'isotropicNull'> {
  const { samplingFloor, isotropicNull } = referenceLevels(settings, tokens);
  return { samplingFloor, isotropicNull };
}
