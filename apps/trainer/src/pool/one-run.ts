/** One run of several: trained and evaluated as far as it is not yet, and what came of it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '@lpr/guard';
import { clearFailure, FolderInUseError, RUN_FILES, RunFolder, writeFailure } from '@lpr/runs';
import { finishRun } from '../run/finish.ts';
import type { Session } from '../run/session.ts';
import type { Settings } from '../settings/schema.ts';

/** A run as it is handed to whoever trains it, in this process or another one: plain data. */
export interface PlannedRun {
  /** Of its folder. */
  readonly name: string;
  /** The folder of all runs. */
  readonly folder: string;
  readonly settings: Settings;
  /** The file that the settings were read from. */
  readonly origin: string;
  /** Whether a run that an earlier version finished is evaluated again, for the blocks that it has not kept. */
  readonly wantsBlocks: boolean;
}

export type Outcome =
  | { readonly kind: 'finished' }
  /** It was asked to stop, and saved. */
  | { readonly kind: 'stopped' }
  /** Another process works on it. */
  | { readonly kind: 'busy' }
  /** It cannot go on, and says why. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** The process that trained it ended, and says how: the run may go on. */
  | { readonly kind: 'lost'; readonly reason: string };

/**
 * Trains a run to its end and evaluates it; a finished one is left as it is. Why it failed is kept in its folder until
 * it is tried again.
 *
 * @param openSession that of its settings
 */
export async function trainOne(
  planned: PlannedRun,
  openSession: () => Promise<Session>,
  signal: AbortSignal,
): Promise<Outcome> {
  const { name, folder, settings, origin, wantsBlocks } = planned;
  const path = join(folder, name);
  let run: RunFolder | null = null;
  try {
    await clearFailure(path);
    run = await openOrCreate(path, settings);
    const session = await openSession();
    const evaluation = await finishRun(session, run, settings, { name, origin, wantsBlocks, signal });
    return { kind: evaluation === null ? 'stopped' : 'finished' };
  } catch (error) {
    if (error instanceof FolderInUseError) return { kind: 'busy' };
    return await failed(planned, error instanceof Error ? error.message : String(error));
  } finally {
    await run?.close();
  }
}

/** A run that failed; its folder keeps the reason where anything can be written there. */
export async function failed({ name, folder }: PlannedRun, reason: string): Promise<Outcome> {
  const path = join(folder, name);
  try {
    await makeFolder(path);
    await writeFailure(path, reason);
  } catch {
    // A full disk may be what it failed of; the reason is told all the same.
  }
  return { kind: 'failed', reason };
}

async function openOrCreate(path: string, settings: Settings): Promise<RunFolder> {
  return existsSync(join(path, RUN_FILES.config)) ? await RunFolder.open(path) : await RunFolder.create(path, settings);
}
