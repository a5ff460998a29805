/** `config.yaml`: every setting of a run, resolved. What the settings are is the trainer's concern. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { RUN_FILES } from './names.ts';

/** @param settings plain data */
export function encodeConfig(settings: object): string {
  return stringify(settings);
}

/** @throws Error when it is no YAML */
export function decodeConfig(text: string): unknown {
  return parse(text);
}

/**
 * The settings of a run, as they were written; not checked.
 *
 * @throws Error when the folder holds no run, or its configuration is no YAML
 */
export async function readConfig(run: string): Promise<unknown> {
  const path = join(run, RUN_FILES.config);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`${run} is no run folder: cannot read ${path} (${String(error)})`, { cause: error });
  }
  try {
    return decodeConfig(text);
  } catch (error) {
    throw new Error(`${path} is no valid YAML: ${String(error)}`, { cause: error });
  }
}
