/** `config.yaml`: every setting of a run, resolved. What the settings are is the trainer's concern. */
import { join } from 'node:path';
import { readText } from '@lpr/guard';
import { stringify } from 'yaml';
import { RUN_FILES } from './names.ts';
import { MAX_SMALL_FILE_BYTES } from './run-files.ts';
import { parseYaml, type YamlLimits } from './yaml.ts';

/** A hundred times what the settings of a run take. A server reads those of runs that are not its own. */
const LIMITS: YamlLimits = { characters: 2 ** 18, milliseconds: 2000 };

/** @param settings plain data */
export function encodeConfig(settings: object): string {
  return stringify(settings);
}

/** @throws Error when it is no YAML, or more than settings ever are */
export function decodeConfig(text: string): unknown {
  return parseYaml(text, LIMITS);
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
    text = await readText(path, MAX_SMALL_FILE_BYTES);
  } catch (error) {
    throw new Error(`${run} is no run folder: cannot read ${path} (${String(error)})`, { cause: error });
  }
  try {
    return decodeConfig(text);
  } catch (error) {
    throw new Error(`${path} is no valid YAML: ${String(error)}`, { cause: error });
  }
}
