/**
 * A model to use, from wherever it lies: a run (its newest checkpoint), one of its checkpoints, or a Hugging Face
 * folder.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { loadTokenizer, type Tokenizer } from '@lpr/data';
import type { Decoder, DecoderConfig } from '@lpr/model';
import { loadHuggingFace, readConfig } from '@lpr/model/node';
import { newestCheckpoint, RUN_FILES, RUN_FOLDERS, stepsOf, writeWhole } from '@lpr/runs';
import type { Device } from '@lpr/tensor';
import { UsageError } from '../cli/errors.ts';
import { decoderConfig } from '../settings/decoder-config.ts';
import { readSettings } from '../settings/check.ts';
import { checkRouterFile } from '../settings/custom-routers.ts';
import { tokenizerBeside } from './tokenizer-place.ts';

export interface ModelSource {
  /** The folder with `config.json` and the weights. */
  readonly folder: string;
  readonly config: DecoderConfig;
  /** Training steps of a checkpoint; null for a folder that does not say. */
  readonly step: number | null;
  /** A `tokenizer.json`, beside which a `tokenizer_config.json` may lie; null where there is none. */
  readonly tokenizerFile: string | null;
}

/**
 * Finds model and tokenizer.
 *
 * @param path of a run, a checkpoint or a Hugging Face folder
 * @param tokenizer a `tokenizer.json` in place of the one that lies with the model
 * @throws UsageError when the folder is none of these, a run without a checkpoint, or a model whose router comes from a
 *   file that is no longer what it was
 */
export async function findModel(path: string, tokenizer?: string): Promise<ModelSource> {
  const holdsWeights = existsSync(join(path, 'config.json')) || existsSync(join(path, 'model.safetensors'));
  const folder = holdsWeights ? path : await checkpointOf(path);
  if (tokenizer !== undefined && !existsSync(tokenizer))
    throw new UsageError(`--tokenizer ${tokenizer}: there is no such file`);
  const config = await configOf(folder);
  checkRouterFile(folder, config);
  return {
    folder,
    config,
    step: stepsOf([basename(resolve(folder))])[0] ?? null,
    tokenizerFile: tokenizer ?? tokenizerBeside(folder),
  };
}

/** The tokenizer of a model. Throws UsageError when there is none, or it does not fit the model. */
export async function tokenizerOf({ folder, config, tokenizerFile }: ModelSource): Promise<Tokenizer> {
  if (tokenizerFile === null) {
    throw new UsageError(`${folder} has no ${RUN_FILES.tokenizer}; name one with --tokenizer`);
  }
  const tokenizer = await loadTokenizer(tokenizerFile).catch((error: unknown) => {
    throw new UsageError(`${tokenizerFile} cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (tokenizer.vocabularySize > config.vocab_size) {
    throw new UsageError(
      `the tokenizer has ${tokenizer.vocabularySize} tokens, the model in ${folder} only ${config.vocab_size}; they do not belong together`,
    );
  }
  return tokenizer;
}

/**
 * Writes `tokenizer.json` and `tokenizer_config.json`, which Hugging Face's libraries and what reads the model's
 * checkpoints need. Files that are there stay.
 *
 * @param length of the longest sequence that the model reads
 */
export async function writeTokenizer(folder: string, tokenizer: Tokenizer, length: number): Promise<void> {
  const { endOfText } = tokenizer;
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: length,
    ...(endOfText === null ? {} : { eos_token: tokenizer.decode([endOfText]) }),
  };
  const files = {
    [RUN_FILES.tokenizer]: tokenizer.toJson(),
    'tokenizer_config.json': `${JSON.stringify(config, null, 2)}\n`,
  };
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    if (!existsSync(path)) await writeWhole(path, content);
  }
}

/** Checkpoints from before they held a `config.json` have the settings of their run. */
async function configOf(folder: string): Promise<DecoderConfig> {
  if (existsSync(join(folder, 'config.json'))) return await readConfig(folder);
  const settings = await readSettings(dirname(dirname(folder)));
  return decoderConfig(settings, settings.size.vocabulary);
}

export async function loadModel(device: Device, { folder, config }: ModelSource): Promise<Decoder> {
  return await loadHuggingFace(device, folder, { config, onNote: (sentence) => console.error(`note: ${sentence}`) });
}

async function checkpointOf(run: string): Promise<string> {
  if (!existsSync(join(run, RUN_FILES.config))) {
    const inside = await readdir(run).catch(() => []);
    const runs = inside.map((name) => join(run, name)).filter((path) => existsSync(join(path, RUN_FILES.config)));
    if (runs.length > 0) throw new UsageError(`${run} holds several runs; name one of them: ${runs.join(', ')}`);
    throw new UsageError(
      `${run} holds no model: expected a run's folder (config.yaml), one of its checkpoints, or a Hugging Face folder (config.json)`,
    );
  }
  const checkpoint = await newestCheckpoint(join(run, RUN_FOLDERS.checkpoints), ({ message }) =>
    console.error(`warning: ${message}; using the one before`),
  );
  if (checkpoint === null) {
    throw new UsageError(`${run} has no checkpoint yet; train it first (pnpm trainer resume ${run})`);
  }
  return checkpoint.folder;
}
