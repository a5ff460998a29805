/**
 * A comparison: runs that differ in their router alone, trained one after the other, then set side by side. Its folder holds
 * `comparison.yaml` (the settings of each run), a run folder for each, and in the end `summary.json`, `heatmap.png` and `curves.png`.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { curvesSize, heatmapSize, loadHeatmap, trainingCurves } from '@lpr/charts';
import { renderPng } from '@lpr/charts/node';
import { type BalanceReport, isotropicNull, samplingFloor } from '@lpr/metrics';
import { latentPrototypePresets } from '@lpr/moe';
import { hasCode, lockFolder, makeEmptyFolder, readMetrics, RunFolder, writeWhole } from '@lpr/train';
import { parse, stringify } from 'yaml';
import { UsageError } from './errors.ts';
import { modelTitle } from './models.ts';
import { finishRun, type RunResultFile } from './runs.ts';
import type { Session } from './session.ts';
import { checkStoredSettings } from './settings/check.ts';
import type { Settings } from './settings/schema.ts';

const COMPARISON_FILE = 'comparison.yaml';

/** The levels that routers without any structure reach at the same number of tokens. */
interface ReferenceLevels {
  readonly tokens: number;
  readonly samplingFloor: Pick<BalanceReport, 'gini' | 'minMax'>;
  readonly isotropicNull: Pick<BalanceReport, 'gini' | 'minMax'>;
}

/** `summary.json`: figures on the held-out text, as means over layers beside the worst layer. */
export interface Summary {
  readonly models: readonly (Omit<RunResultFile, 'evaluation'> &
    Omit<RunResultFile['evaluation'], 'counts' | 'tokens'> &
    Pick<ReferenceLevels, 'samplingFloor' | 'isotropicNull'> & {
      readonly topK: number;
      readonly evaluationTokens: number;
    })[];
}

/** Makes the folder of a comparison. Throws when something is there already. */
export async function createComparison(folder: string, runs: ReadonlyMap<string, Settings>): Promise<void> {
  await makeEmptyFolder(folder);
  const unlock = await lockFolder(folder);
  await writeWhole(join(folder, COMPARISON_FILE), stringify({ runs: Object.fromEntries(runs) }));
  await unlock();
}

/** The runs of a comparison by name; null when the folder holds none. */
export async function readComparison(folder: string): Promise<Map<string, Settings> | null> {
  const path = join(folder, COMPARISON_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return null;
    throw error;
  }
  const file: unknown = parse(text);
  const runs = typeof file === 'object' && file !== null && 'runs' in file ? file.runs : null;
  if (typeof runs !== 'object' || runs === null) throw new UsageError(`${path} names no runs; it is damaged`);
  return new Map(
    Object.entries(runs).map(([name, settings]) => [name, checkStoredSettings(settings, `${path}, run ${name}`)]),
  );
}

/**
 * Trains and evaluates what is left of a comparison, then writes its summary and figures.
 *
 * @returns null when the signal stopped it (a checkpoint was saved)
 */
export async function finishComparison(
  session: Session,
  folder: string,
  runs: ReadonlyMap<string, Settings>,
  signal: AbortSignal,
): Promise<Summary | null> {
  const unlock = await lockFolder(folder);
  try {
    return await finishLocked(session, folder, runs, signal);
  } finally {
    await unlock();
  }
}

async function finishLocked(
  session: Session,
  folder: string,
  runs: ReadonlyMap<string, Settings>,
  signal: AbortSignal,
): Promise<Summary | null> {
  const results = new Map<string, RunResultFile>();
  for (const [name, settings] of runs) {
    const path = join(folder, name);
    const run = await openOrCreate(path, settings);
    try {
      const result = await finishRun(session, run, settings, name, signal);
      if (result === null) return null;
      results.set(name, result);
    } finally {
      await run.close();
    }
  }
  session.progress.phase('drawing the figures');
  const summary = summarize(runs, results);
  await drawFigures(folder, runs, results);
  // Last, so that a folder with a summary is a finished comparison.
  await writeWhole(join(folder, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  return summary;
}

async function openOrCreate(path: string, settings: Settings): Promise<RunFolder> {
  return (await readFile(join(path, 'config.yaml')).then(
    () => true,
    (error: unknown) => !hasCode(error, 'ENOENT'),
  ))
    ? await RunFolder.open(path)
    : await RunFolder.create(path, settings);
}

/** All runs of a comparison have the same settings but for the router. */
function firstOf<Value>(map: ReadonlyMap<string, Value>): Value {
  const [first] = map.values();
  if (first === undefined) throw new UsageError('the comparison names no runs; its folder is damaged');
  return first;
}

/** Both levels for one layer of this size and that many tokens. */
function referenceLevels({ size, lpr }: Settings, tokens: number): ReferenceLevels {
  const { latentDim } = lpr ?? latentPrototypePresets.corrected;
  const shape = { experts: size.experts, topK: size.topK, tokens, seed: 0 };
  const pick = ({ gini, minMax }: BalanceReport) => ({ gini, minMax });
  return {
    tokens,
    samplingFloor: pick(samplingFloor(shape)),
    isotropicNull: pick(isotropicNull({ ...shape, latentDim })),
  };
}

function summarize(runs: ReadonlyMap<string, Settings>, results: ReadonlyMap<string, RunResultFile>): Summary {
  return {
    models: Array.from(results, ([name, { evaluation, ...run }]) => ({
      ...run,
      topK: runs.get(name)!.size.topK,
      evaluationTokens: evaluation.tokens,
      testLoss: evaluation.testLoss,
      gini: evaluation.gini,
      minMax: evaluation.minMax,
      worst: evaluation.worst,
      mutualInformation: evaluation.mutualInformation,
      mutualInformationBias: evaluation.mutualInformationBias,
      ...levelsOf(runs.get(name)!, evaluation.tokens),
    })),
  };
}

function levelsOf(settings: Settings, tokens: number): Pick<ReferenceLevels, 'samplingFloor' | 'isotropicNull'> {
  const { samplingFloor, isotropicNull } = referenceLevels(settings, tokens);
  return { samplingFloor, isotropicNull };
}

async function drawFigures(
  folder: string,
  runs: ReadonlyMap<string, Settings>,
  results: ReadonlyMap<string, RunResultFile>,
): Promise<void> {
  const levels = referenceLevels(firstOf(runs), firstOf(results).evaluation.tokens);
  const { gini, minMax } = levels.samplingFloor;
  const { architecture } = firstOf(runs);
  const title = (router: string): string => modelTitle(architecture, router);
  const heatmap = {
    models: Array.from(results.values(), ({ router, evaluation }) => ({
      name: title(router),
      counts: evaluation.counts,
    })),
    footnote:
      `${levels.tokens.toLocaleString('en')} held-out tokens. A uniform router at that number: Gini ${gini.toFixed(3)}, min-max ${minMax.toFixed(3)}; ` +
      `random latents and keys: ${levels.isotropicNull.gini.toFixed(3)}, ${levels.isotropicNull.minMax.toFixed(3)}`,
  };
  await writeWhole(join(folder, 'heatmap.png'), await renderPng(loadHeatmap(heatmap), heatmapSize(heatmap)));

  // Balance in the curves is that of a logging window, so the levels must be those of as many tokens.
  const { data, training } = firstOf(runs);
  const window = referenceLevels(
    firstOf(runs),
    data.batchSize * data.sequenceLength * training.accumulation * Math.min(training.logEvery, training.steps),
  );
  const curves = {
    runs: await Promise.all(
      Array.from(results, async ([name, { router }]) => ({
        name: title(router),
        points: (await readMetrics(join(folder, name))).map(({ step, loss, gini, minMax }) => ({
          step,
          loss,
          ...(typeof gini === 'number' ? { gini } : {}),
          ...(typeof minMax === 'number' ? { minMax } : {}),
        })),
      })),
    ),
    references: [
      { name: 'sampling floor', ...window.samplingFloor },
      { name: 'isotropic null', ...window.isotropicNull },
    ],
  };
  await writeWhole(join(folder, 'curves.png'), await renderPng(trainingCurves(curves), curvesSize(curves)));
}
