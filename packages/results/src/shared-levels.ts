/**
 * The levels of runs in a file: each once, in a list, since most runs have the same; a run has its place there. Files
 * of earlier versions have them in every run.
 */
import type { RunsResult } from './result-file.ts';

const KEYS = ['samplingFloor', 'isotropicNull'] as const;

/** What the file of a result holds: its levels as a list. */
export function listLevels(result: RunsResult): object {
  const places = new Map<string, number>();
  const runs = result.runs.map((run) => {
    const own = KEYS.map((key) => {
      const text = JSON.stringify(run[key]);
      if (!places.has(text)) places.set(text, places.size);
      return [key, places.get(text)!];
    });
    return { ...run, ...Object.fromEntries(own) };
  });
  return { ...result, levels: Array.from(places.keys(), (text) => JSON.parse(text) as unknown), runs };
}

/** The same with its levels in every run; what is no such file, and a place where there are none, as it is. */
export function spreadLevels(content: unknown): unknown {
  if (!isRecord(content) || !Array.isArray(content['levels']) || !Array.isArray(content['runs'])) return content;
  const { levels, runs, ...rest } = content;
  const known = levels as unknown[];
  return {
    ...rest,
    runs: (runs as unknown[]).map((run) => {
      if (!isRecord(run)) return run;
      const own = KEYS.map((key) => [key, known[run[key] as number] ?? run[key]]);
      return { ...run, ...Object.fromEntries(own) };
    }),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
