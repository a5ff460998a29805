/** `failure.json`: why a run of several failed, until it is tried again. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readText } from '@lpr/guard';
import { z } from 'zod';
import { writeWhole } from './files.ts';
import { RUN_FILES } from './names.ts';
import type { ReadonlyDeep } from './plain.ts';
import { MAX_SMALL_FILE_BYTES } from './run-files.ts';

const failureSchema = z.strictObject({
  /** When, as ISO 8601. */
  at: z.string(),
  /** What was told. */
  reason: z.string(),
});

export type Failure = ReadonlyDeep<z.infer<typeof failureSchema>>;

/** Writes down why a run failed. */
export async function writeFailure(run: string, reason: string): Promise<void> {
  const failure: Failure = { at: new Date().toISOString(), reason };
  await writeWhole(join(run, RUN_FILES.failure), `${JSON.stringify(failure, null, 2)}\n`);
}

/** Why a run failed; null where it did not, or nothing that can be read says so. */
export async function readFailure(run: string): Promise<Failure | null> {
  try {
    return failureSchema.parse(JSON.parse(await readText(join(run, RUN_FILES.failure), MAX_SMALL_FILE_BYTES)));
  } catch {
    return null;
  }
}

/** Takes it back: the run is tried again. */
export async function clearFailure(run: string): Promise<void> {
  await rm(join(run, RUN_FILES.failure), { force: true });
}
