/** Finds what the router explorer needs of a run: a checkpoint that opens by itself, and the run's tokenizer. */
import { join } from 'node:path/posix';
import { readdir } from 'node:fs/promises';
import { checkpointFolder, RUN_FILES, RUN_FOLDERS, stepsOf } from '@lpr/runs';
import type { ServedFolder } from './paths.ts';

export interface ExplorableCheckpoint {
  /** Real path of the folder, with `config.json` and weights. */
  readonly folder: string;
  /** Real path of the `tokenizer.json`. */
  readonly tokenizer: string;
  readonly step: number;
}

/**
 * The newest checkpoint of a run that holds its configuration.
 *
 * @throws Error that says what the run lacks
 */
export async function checkpointOf(folder: ServedFolder, run: string): Promise<ExplorableCheckpoint> {
  const below = (...parts: string[]): string => join(run, ...parts);
  const names = await folder
    .resolve(below(RUN_FOLDERS.checkpoints))
    .then((path) => readdir(path))
    .catch(() => [] as string[]);
  const steps = stepsOf(names).toReversed();
  if (steps.length === 0) {
    throw new Error(
      'This run has no checkpoint yet. The trainer writes the first one after training.checkpointEvery steps.',
    );
  }
  const tokenizer = await tokenizerPath(folder, run);
  if (tokenizer === null) {
    throw new Error(
      'This run has no tokenizer.json, so a text cannot be turned into its tokens. Runs of older trainers lack it.',
    );
  }
  for (const step of steps) {
    const path = below(checkpointFolder(step));
    const config = await folder.resolve(join(path, 'config.json')).catch(() => null);
    if (config !== null) return { folder: await folder.resolve(path), tokenizer, step };
  }
  throw new Error(
    'The checkpoints of this run have no config.json, so they cannot be opened. Older trainers wrote none.',
  );
}

/** Real path of a run's `tokenizer.json`; null where it has none. */
export async function tokenizerPath(folder: ServedFolder, run: string): Promise<string | null> {
  return await folder.resolve(join(run, RUN_FILES.tokenizer)).catch(() => null);
}
