/** Where a run ran, for whoever reads its figures later: `environment.json`. Nothing reads it to decide anything. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { hasCode, writeWhole } from './files.ts';

export interface Environment {
  readonly node: string;
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
  /** What really ran, such as "wasm, 2 threads, relaxed SIMD". */
  readonly device: string;
  /** Versions by name. */
  readonly packages: Readonly<Record<string, string>>;
}

/** This process on a device. */
export function describeEnvironment(device: string): Environment {
  const all = cpus();
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    device,
    packages: Object.fromEntries(
      ['tensor', 'moe', 'model', 'data', 'metrics'].map((name) => versionOf(`@lpr/${name}`)),
    ),
  };
}

function versionOf(name: string): [string, string] {
  const entry = createRequire(import.meta.url).resolve(name);
  // The entry lies in src or dist.
  const file = join(dirname(dirname(entry)), 'package.json');
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  return [name, version];
}

/** What each start of a run after the first adds: when, and where if that changed. */
interface Resumption extends Partial<Environment> {
  readonly at: string;
}

interface EnvironmentFile extends Environment {
  readonly startedAt: string;
  readonly resumedAt: readonly Resumption[];
}

/** Writes the file, or adds to one that is there when and where the run went on. */
export async function recordEnvironment(path: string, environment: Environment): Promise<void> {
  const now = new Date().toISOString();
  const before = await readEnvironment(path);
  const file: EnvironmentFile =
    before === null
      ? { startedAt: now, ...environment, resumedAt: [] }
      : { ...before, resumedAt: [...before.resumedAt, { at: now, ...changes(before, environment) }] };
  await writeWhole(path, `${JSON.stringify(file, null, 2)}\n`);
}

function changes(before: Environment, now: Environment): Partial<Environment> {
  const fields = Object.keys(now) as (keyof Environment)[];
  return Object.fromEntries(
    fields
      .filter((field) => JSON.stringify(before[field]) !== JSON.stringify(now[field]))
      .map((field) => [field, now[field]]),
  );
}

/** null when there is none, or none that can be read: the run itself does not depend on it. */
async function readEnvironment(path: string): Promise<EnvironmentFile | null> {
  try {
    const file = JSON.parse(await readFile(path, 'utf8')) as EnvironmentFile;
    return Array.isArray(file.resumedAt) ? file : null;
  } catch (error) {
    if (error instanceof SyntaxError || hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}
