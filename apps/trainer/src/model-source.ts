/** A model to use, from wherever it lies: a run (its newest checkpoint), one of its checkpoints, or a Hugging Face folder. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseTokenizer, type Tokenizer } from '@lpr/data';
import type { Decoder, DecoderConfig } from '@lpr/model';
import { loadHuggingFace, readConfig } from '@lpr/model/node';
import type { Device } from '@lpr/tensor';
import { hasCode, newestCheckpoint } from '@lpr/train';
import { UsageError } from './errors.ts';
import { decoderConfig } from './models.ts';
import { readSettings } from './settings/check.ts';

export const TOKENIZER_FILE = 'tokenizer.json';

export interface ModelSource {
  /** The folder with `config.json` and the weights. */
  readonly folder: string;
  readonly config: DecoderConfig;
  /** What `tokenizer.json` holds; null where there is none. */
  readonly tokenizerJson: string | null;
  /** Of that file. */
  readonly tokenizerPath: string;
}

/**
 * Finds model and tokenizer.
 *
 * @param path of a run, a checkpoint or a Hugging Face folder
 * @param tokenizer a `tokenizer.json` in place of the one that lies with the model
 * @throws UsageError when the folder is none of these, or a run without a checkpoint
 */
export async function findModel(path: string, tokenizer?: string): Promise<ModelSource> {
  const holdsWeights = existsSync(join(path, 'config.json')) || existsSync(join(path, 'model.safetensors'));
  const folder = holdsWeights ? path : await checkpointOf(path);
  // A checkpoint's tokenizer lies in the folder of the run.
  const places =
    tokenizer === undefined
      ? [folder, dirname(dirname(folder))].map((place) => join(place, TOKENIZER_FILE))
      : [tokenizer];
  const texts = await Promise.all(places.map(readText));
  const found = texts.findIndex((text) => text !== null);
  if (tokenizer !== undefined && found < 0) throw new UsageError(`--tokenizer ${tokenizer}: there is no such file`);
  return {
    folder,
    config: await configOf(folder),
    tokenizerJson: texts[found] ?? null,
    tokenizerPath: places[Math.max(0, found)]!,
  };
}

/** The tokenizer of a model. Throws UsageError when there is none, or it does not fit the model. */
export function tokenizerOf({ folder, config, tokenizerJson, tokenizerPath }: ModelSource): Tokenizer {
  if (tokenizerJson === null) {
    throw new UsageError(`${folder} has no ${TOKENIZER_FILE}; name one with --tokenizer`);
  }
  const tokenizer = parsed(tokenizerJson, tokenizerPath);
  if (tokenizer.vocabularySize > config.vocab_size) {
    throw new UsageError(
      `the tokenizer has ${tokenizer.vocabularySize} tokens, the model in ${folder} only ${config.vocab_size}; they do not belong together`,
    );
  }
  return tokenizer;
}

function parsed(json: string, path: string): Tokenizer {
  try {
    return parseTokenizer(json);
  } catch (error) {
    throw new UsageError(`${path} cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Checkpoints from before they held a `config.json` have the settings of their run. */
async function configOf(folder: string): Promise<DecoderConfig> {
  if (existsSync(join(folder, 'config.json'))) return await readConfig(folder);
  const settings = await readSettings(dirname(dirname(folder)));
  return decoderConfig(settings, settings.size.vocabulary);
}

export async function loadModel(device: Device, { folder, config }: ModelSource): Promise<Decoder> {
  return await loadHuggingFace(device, folder, config);
}

async function checkpointOf(run: string): Promise<string> {
  if (!existsSync(join(run, 'config.yaml'))) {
    const inside = await readdir(run).catch(() => []);
    const runs = inside.map((name) => join(run, name)).filter((path) => existsSync(join(path, 'config.yaml')));
    if (runs.length > 0) throw new UsageError(`${run} holds several runs; name one of them: ${runs.join(', ')}`);
    throw new UsageError(
      `${run} holds no model: expected a run's folder (config.yaml), one of its checkpoints, or a Hugging Face folder (config.json)`,
    );
  }
  const checkpoint = await newestCheckpoint(join(run, 'checkpoints'), ({ message }) =>
    console.error(`warning: ${message}; using the one before`),
  );
  if (checkpoint === null) {
    throw new UsageError(`${run} has no checkpoint yet; train it first (pnpm trainer resume ${run})`);
  }
  return checkpoint.folder;
}

/** null when there is no such file. */
async function readText(path: string): Promise<string | null> {
  return await readFile(path, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return null;
    throw error;
  });
}
