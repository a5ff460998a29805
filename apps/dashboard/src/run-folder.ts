/**
 * Reads what a training run left in its folder: `metrics.jsonl` (one JSON object per line) and `loads.bin` (exact expert counts,
 * format of `@lpr/metrics`). Either may be missing or still growing.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { CurvePoint } from '@lpr/charts';
import { decodeLoads, type LoadFile } from '@lpr/metrics';

export const METRICS_FILE = 'metrics.jsonl';
export const LOADS_FILE = 'loads.bin';

/** One run, by the name of its folder. */
export interface Run {
  readonly name: string;
  readonly folder: string;
  /** Steps ascending; undefined where the folder has no metrics. */
  readonly points: readonly CurvePoint[] | undefined;
  /** Undefined where the folder has no loads. */
  readonly loads: LoadFile | undefined;
}

/**
 * Reads a run folder, or every run folder directly inside of a folder that is none itself (a comparison), by name.
 *
 * @throws Error where there is no such folder or no run in it, or a file is damaged.
 */
export async function readRuns(folder: string): Promise<Run[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new Error(`cannot read the run folder ${folder}: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (await isRun(folder)) return [await readRun(folder)];
  const runs: Run[] = [];
  for (const entry of entries.filter((entry) => entry.isDirectory()).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const inner = join(folder, entry.name);
    if (await isRun(inner)) runs.push(await readRun(inner));
  }
  if (runs.length > 0) return runs;
  throw new Error(
    `${folder} is no run folder: neither it nor a folder inside has a ${METRICS_FILE} or a ${LOADS_FILE}; give the folder that training wrote`,
  );
}

async function readRun(folder: string): Promise<Run> {
  const metrics = await readIfThere(join(folder, METRICS_FILE));
  const loads = await readIfThere(join(folder, LOADS_FILE));
  return {
    name: basename(resolve(folder)),
    folder,
    points: metrics && parseMetrics(metrics.toString('utf8'), join(folder, METRICS_FILE)),
    loads: loads && namingFile(join(folder, LOADS_FILE), () => decodeLoads(loads)),
  };
}

/**
 * Points of a `metrics.jsonl`. A last line cut short, as of a run that is being written or was killed, is left out; where
 * steps repeat, as after a resumption, the later lines hold. Lines without a step (other records) are skipped.
 */
export function parseMetrics(text: string, name: string): CurvePoint[] {
  const lines = text.split('\n');
  const points: CurvePoint[] = [];
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue;
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch {
      if (i === lines.length - 1) break;
      throw new Error(`${name}: line ${i + 1} is no JSON: ${line.slice(0, 60)}`);
    }
    const point = toPoint(record);
    if (point === undefined) continue;
    while ((points.at(-1)?.step ?? -1) >= point.step) points.pop();
    points.push(point);
  }
  return points;
}

function toPoint(record: unknown): CurvePoint | undefined {
  const fields = new Map(Object.entries(record ?? {}));
  const step: unknown = fields.get('step');
  if (typeof step !== 'number') return undefined;
  const figures = (['loss', 'gini', 'minMax'] as const).flatMap((name) => {
    const value: unknown = fields.get(name);
    return typeof value === 'number' ? [[name, value] as const] : [];
  });
  return { step, ...Object.fromEntries(figures) };
}

async function isRun(folder: string): Promise<boolean> {
  const there = await Promise.all(
    [METRICS_FILE, LOADS_FILE].map((file) =>
      stat(join(folder, file)).then(
        (entry) => entry.isFile(),
        () => false,
      ),
    ),
  );
  return there.includes(true);
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  return readFile(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
}

function namingFile<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
