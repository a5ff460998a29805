/**
 * Reads what a training run left in its folder. Any file may be missing, still growing, or damaged: that costs what is
 * taken from it, and nothing else.
 */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { decodeLoads, type LoadFile } from '@lpr/metrics';
import type { z } from 'zod';
import { readComparison } from './comparison.ts';
import { decodeConfig } from './config.ts';
import { decodeEnvironment, type Environment } from './environment.ts';
import { type EvaluationLine, evaluationLineSchema } from './evaluation-line.ts';
import { hasCode } from './files.ts';
import { factsOf, type RunFacts } from './facts.ts';
import { readLines } from './followed-lines.ts';
import { type MetricsLine, metricsLineSchema } from './metrics-line.ts';
import { isRunFolder, RUN_FILES } from './names.ts';
import { messageOf } from './plain.ts';
import { filesIn, type Part, readPart, readSmall, readWhole, type RunFiles, withFile } from './run-files.ts';

/** One run, by the name of its folder. */
export interface Run {
  readonly name: string;
  readonly folder: string;
  readonly files: RunFiles;
  /** What its configuration holds, not checked; null where there is none. */
  readonly settings: unknown;
  /** What of the settings readers want to know. */
  readonly facts: RunFacts;
  /** Where it was last worked on; null where it does not say. */
  readonly environment: Environment | null;
  /** Steps ascending; at least one. */
  readonly metrics: Part<readonly MetricsLine[]>;
  /** At least one; the last one is final where the run is finished. */
  readonly evaluations: Part<readonly EvaluationLine[]>;
  /** At least one window. */
  readonly loads: Part<LoadFile>;
  /** What is wrong with files that could be read all the same, a sentence each. */
  readonly problems: readonly string[];
}

/** Reads a run folder, whatever state it is in. */
export async function readRun(folder: string): Promise<Run> {
  const files = filesIn(folder);
  const problems: string[] = [];
  const small = async <T>(path: string, decode: (text: string) => T): Promise<T | undefined> => {
    try {
      return await withFile(files, path, async (file) => decode(await readSmall(file)));
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) problems.push(`${path}: ${messageOf(error)}`);
      return undefined;
    }
  };
  const lines = async <Line>(path: string, schema: z.ZodType<Line>, what: string): Promise<Part<readonly Line[]>> => {
    try {
      const read = await readLines(files, path, schema);
      problems.push(...read.problems.map((problem) => `${path}: ${problem}`));
      return read.lines.length > 0 ? { value: read.lines } : { missing: `${path} holds no ${what} yet` };
    } catch (error) {
      return { missing: `${path}: ${messageOf(error)}` };
    }
  };
  const settings = await small(RUN_FILES.config, decodeConfig);
  const environment = (await small(RUN_FILES.environment, decodeEnvironment)) ?? null;
  const metrics = await lines(RUN_FILES.metrics, metricsLineSchema, 'step');
  const evaluations = await lines(RUN_FILES.evaluations, evaluationLineSchema, 'evaluation');
  const loads = await readPart(files, RUN_FILES.loads, async (file) => decodeLoads(await readWhole(file)));
  return {
    name: basename(resolve(folder)),
    folder,
    files,
    settings: settings ?? null,
    facts: factsOf(settings),
    environment,
    metrics: metrics.value === undefined ? metrics : { value: inOrder(metrics.value) },
    evaluations,
    loads: loads.value?.windows.length === 0 ? { missing: `${RUN_FILES.loads} holds no whole window yet` } : loads,
    problems,
  };
}

/** The lines of a run's `metrics.jsonl` that are what they should be, as in `Run`; empty when there are none yet. */
export async function readMetrics(folder: string): Promise<readonly MetricsLine[]> {
  return inOrder((await readLines(filesIn(folder), RUN_FILES.metrics, metricsLineSchema)).lines);
}

/** The lines of a run's `evaluations.jsonl` that are what they should be; empty when there are none yet. */
export async function readEvaluations(folder: string): Promise<readonly EvaluationLine[]> {
  return (await readLines(filesIn(folder), RUN_FILES.evaluations, evaluationLineSchema)).lines;
}

/** Where steps repeat, as after a resumption that was interrupted, the later lines hold. */
function inOrder(lines: readonly MetricsLine[]): MetricsLine[] {
  const kept: MetricsLine[] = [];
  for (const line of lines) {
    while (kept.length > 0 && kept.at(-1)!.step >= line.step) kept.pop();
    kept.push(line);
  }
  return kept;
}

/** How the runs of a folder are looked for. */
export interface FindOptions {
  /** Folders between the given one and a run. Default 1: it is a run, or holds runs as a comparison does. */
  readonly depth?: number;
  /** What is in a folder, by its path below the given one ('.' for itself, parts joined by '/'). */
  readonly list?: (path: string) => Promise<readonly Dirent[]>;
}

/**
 * The run folders in a folder, itself ('.') or those inside, as paths below it with parts joined by '/', by name. A
 * folder inside that cannot be read holds none.
 */
export async function findRuns(folder: string, options: FindOptions = {}): Promise<string[]> {
  const { depth = 1, list = (path) => readdir(join(folder, path), { withFileTypes: true }) } = options;
  const search = async (path: string, left: number): Promise<string[]> => {
    const entries = await list(path).catch(() => []);
    if (isRunFolder(entries.filter((entry) => entry.isFile()).map(({ name }) => name))) return [path];
    if (left === 0) return [];
    const found: string[] = [];
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.') || !(entry.isDirectory() || entry.isSymbolicLink())) continue;
      found.push(...(await search(path === '.' ? entry.name : `${path}/${entry.name}`, left - 1)));
    }
    return found;
  };
  return await search('.', depth);
}

/**
 * Reads a run folder, or every run folder directly inside of a folder that is none itself: the runs of a comparison in
 * its order, others by name.
 *
 * @throws Error where there is no such folder, or no run in it
 */
export async function readRuns(folder: string): Promise<Run[]> {
  await readdir(folder).catch((error: unknown) => {
    throw new Error(`cannot read the run folder ${folder}: ${messageOf(error)}`);
  });
  const found = await findRuns(folder);
  if (found.length > 0) {
    // One that is damaged says nothing of the order, and its runs can be read all the same.
    const comparison = await readComparison(folder).catch(() => null);
    const order = Object.keys(comparison?.runs ?? {});
    const placeOf = (path: string): number => (order.includes(path) ? order.indexOf(path) : order.length);
    const inOrder = found.toSorted((a, b) => placeOf(a) - placeOf(b));
    return await Promise.all(inOrder.map((path) => readRun(join(folder, path))));
  }
  throw new Error(
    `${folder} is no run folder: neither it nor a folder inside has a ${RUN_FILES.metrics} or a ${RUN_FILES.loads}; give the folder that training wrote`,
  );
}
