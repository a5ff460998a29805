/**
 * A comparison: runs on the same text, trained one after the other, then set side by side. They differ in their router
 * alone, or are rows of the paper's tables. Its folder holds `comparison.yaml` (the settings of each run), a run folder
 * for each, and in the end `summary.json`, heatmaps and curves.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BalanceReport, type ReferenceLevel, referenceLevels as simulateLevels } from '@lpr/metrics';
import { latentPrototypePresets } from '@lpr/moe';
import { hasCode, lockFolder, makeEmptyFolder, RunFolder, writeWhole } from '@lpr/train';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { drawComparison } from './figures.ts';
import { UsageError } from '../cli/errors.ts';
import { PAPER_TABLES, type PaperTableNumber } from './paper.ts';
import { finishRun, type RunResultFile } from '../run/finish.ts';
import type { Session } from '../run/session.ts';
import { checkStoredSettings } from '../settings/check.ts';
import type { Settings } from '../settings/schema.ts';

const COMPARISON_FILE = 'comparison.yaml';

/** The levels that routers without any structure reach at the same number of tokens. */
interface ReferenceLevels {
  readonly tokens: number;
  readonly samplingFloor: Pick<BalanceReport, 'gini' | 'minMax'>;
  readonly isotropicNull: Pick<BalanceReport, 'gini' | 'minMax'>;
}

/** `summary.json`: figures on the held-out text, as means over layers beside the worst layer. */
export interface Summary {
  readonly models: readonly ({ readonly name: string } & Omit<RunResultFile, 'evaluation'> &
    Omit<RunResultFile['evaluation'], 'counts' | 'tokens'> &
    Pick<ReferenceLevels, 'samplingFloor' | 'isotropicNull'> & {
      readonly topK: number;
      readonly evaluationTokens: number;
    })[];
}

export interface Comparison {
  /** By the name of the run's folder. */
  readonly runs: ReadonlyMap<string, Settings>;
  /** Of the paper: for each row, the name of its run. Without any, the runs differ in their router alone. */
  readonly tables: ReadonlyMap<PaperTableNumber, readonly string[]>;
}

/** Makes the folder of a comparison. Throws when something is there already. */
export async function createComparison(folder: string, { runs, tables }: Comparison): Promise<void> {
  await makeEmptyFolder(folder);
  const unlock = await lockFolder(folder);
  const content = {
    ...(tables.size === 0 ? {} : { tables: Object.fromEntries(tables) }),
    runs: Object.fromEntries(runs),
  };
  await writeWhole(join(folder, COMPARISON_FILE), stringify(content, { aliasDuplicateObjects: false }));
  await unlock();
}

const comparisonSchema = z
  .strictObject({
    runs: z.record(z.string(), z.unknown()).refine((runs) => Object.keys(runs).length > 0, 'names no runs'),
    tables: z.record(z.string(), z.array(z.string())).default({}),
  })
  .refine(
    ({ runs, tables }) =>
      Object.entries(tables).every(
        ([table, names]) =>
          names.length === PAPER_TABLES[Number(table) as PaperTableNumber]?.rows.length &&
          names.every((name) => name in runs),
      ),
    'tables must name a run for every row that the table has in the paper',
  );

/** The comparison in a folder; null when it holds none. */
export async function readComparison(folder: string): Promise<Comparison | null> {
  const path = join(folder, COMPARISON_FILE);
  let content: unknown;
  try {
    content = parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return null;
    throw new UsageError(`${path} cannot be read: ${String(error)}`);
  }
  const parsed = comparisonSchema.safeParse(content);
  if (!parsed.success) throw new UsageError(`${path} is damaged: ${z.prettifyError(parsed.error)}`);
  const { runs, tables } = parsed.data;
  return {
    runs: new Map(
      Object.entries(runs).map(([name, settings]) => [name, checkStoredSettings(settings, `${path}, run ${name}`)]),
    ),
    tables: new Map(Object.entries(tables).map(([number, names]) => [Number(number) as PaperTableNumber, names])),
  };
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
  await drawComparison(folder, comparison, results);
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

/** Both levels for one layer of this size and that many tokens. */
export function referenceLevels({ size, lpr }: Settings, tokens: number): ReferenceLevels {
  const { latentDim } = lpr ?? latentPrototypePresets.corrected;
  const levels = simulateLevels({ experts: size.experts, topK: size.topK, tokens, latentDim });
  const pick = ({ expected: { gini, minMax } }: ReferenceLevel) => ({ gini, minMax });
  return { tokens, samplingFloor: pick(levels.samplingFloor), isotropicNull: pick(levels.isotropicNull) };
}

function summarize(runs: ReadonlyMap<string, Settings>, results: ReadonlyMap<string, RunResultFile>): Summary {
  return {
    models: Array.from(results, ([name, { evaluation, ...run }]) => ({
      name,
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
