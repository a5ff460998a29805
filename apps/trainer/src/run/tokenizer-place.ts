/** Where the tokenizer of a model lies: with it, or in the folder of the run that a checkpoint is of. */
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { RUN_FILES, stepsOf } from '@lpr/runs';

/**
 * @param folder of a run, a checkpoint or a Hugging Face model
 * @returns the path of a `tokenizer.json`; null where there is none
 */
export function tokenizerBeside(folder: string): string | null {
  const path = resolve(folder);
  // What lies above another folder is not the model's.
  const isCheckpoint = stepsOf([basename(path)]).length > 0;
  const places = [path, ...(isCheckpoint ? [dirname(dirname(path))] : [])].map((place) =>
    join(place, RUN_FILES.tokenizer),
  );
  return places.find((place) => existsSync(place)) ?? null;
}
