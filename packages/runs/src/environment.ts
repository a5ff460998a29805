/** `environment.json`: where and when a run ran, for whoever reads its results later. No run depends on it. */
import { cpus } from 'node:os';
import { join } from 'node:path';
import { readText } from '@lpr/guard';
import { z } from 'zod';
import { writeWhole } from './files.ts';
import { RUN_FILES } from './names.ts';
import { countSchema, type ReadonlyDeep } from './plain.ts';
import { MAX_SMALL_FILE_BYTES } from './run-files.ts';

const fields = {
  node: z.string(),
  platform: z.string(),
  cpu: z.string(),
  cores: countSchema,
  /** What really ran, such as "wasm, 2 threads, relaxed SIMD". */
  device: z.string(),
  /** Worker threads; 0: in place. */
  threads: countSchema,
  /** Versions by name. */
  packages: z.record(z.string(), z.string()),
  /** Of the program, where it ran from a git checkout; null elsewhere. Left out by earlier versions. */
  commit: z.object({ id: z.string(), dirty: z.boolean() }).nullable().optional(),
};

const environmentSchema = z.object(fields);

const fileSchema = environmentSchema.extend({
  startedAt: z.string(),
  /** Each start of a run after the first: when, and where if that changed. */
  resumedAt: z.array(environmentSchema.partial().extend({ at: z.string() })),
});

/** What a program was made of: a commit, and whether files of it were changed since. */
export interface Commit {
  readonly id: string;
  readonly dirty: boolean;
}

export type Environment = ReadonlyDeep<z.infer<typeof environmentSchema>>;
type EnvironmentFile = ReadonlyDeep<z.infer<typeof fileSchema>>;

/** This process on a device. */
export function describeEnvironment(
  { description, threads }: { readonly description: string; readonly threads: number },
  packages: Readonly<Record<string, string>>,
  commit: Commit | null,
): Environment {
  const all = cpus();
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    device: description,
    threads,
    packages,
    commit,
  };
}

/** Writes the file, or adds to one that is there when and where the run went on. */
export async function recordEnvironment(run: string, environment: Environment): Promise<void> {
  const path = join(run, RUN_FILES.environment);
  const now = new Date().toISOString();
  const before = decodeFile(await readText(path, MAX_SMALL_FILE_BYTES).catch(() => ''));
  const file: EnvironmentFile =
    before === null
      ? { startedAt: now, ...environment, resumedAt: [] }
      : { ...before, resumedAt: [...before.resumedAt, { at: now, ...changes(latest(before), environment) }] };
  await writeWhole(path, `${JSON.stringify(file, null, 2)}\n`);
}

/** Where a run was last worked on; null when the text is not what `recordEnvironment` writes. */
export function decodeEnvironment(text: string): Environment | null {
  const file = decodeFile(text);
  return file === null ? null : latest(file);
}

function decodeFile(text: string): EnvironmentFile | null {
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function latest({ resumedAt, ...first }: EnvironmentFile): Environment {
  return environmentSchema.parse(Object.assign({ ...first }, ...resumedAt));
}

function changes(before: Environment, now: Environment): Partial<Environment> {
  const names = Object.keys(now) as (keyof Environment)[];
  return Object.fromEntries(
    names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(now[name])).map((name) => [name, now[name]]),
  );
}
