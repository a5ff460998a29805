/** Where the tokenizer of a model lies: with it, or in the folder of the run that a checkpoint is of. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RUN_FILES } from '@lpr/runs';

/**
 * @param folder of a run, a checkpoint or a Hugging Face model
 * @returns the path of a `tokenizer.json`; null where there is none
 */
export function tokenizerBeside(folder: string): string | null {
  const places = [folder, dirname(dirname(folder))].map((place) => join(place, RUN_FILES.tokenizer));
  return places.find((place) => existsSync(place)) ?? null;
}
