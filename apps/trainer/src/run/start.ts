/** The model that a run starts from where its settings name one (`from`): that it fits, and what its weights are. */
import { join } from 'node:path';
import { type DecoderConfig, keysInUse, WeightsError } from '@lpr/model';
import { checkWeights, weightFiles } from '@lpr/model/node';
import { sha256, sha256OfFile } from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { ARCHITECTURE_TABLE } from '../settings/decisions.ts';
import { configValue, decoderConfig } from '../settings/decoder-config.ts';
import type { Settings } from '../settings/schema.ts';
import { findModel } from './model-source.ts';

/** Of a run: where the weights lie that it starts from, and the sum of their files. */
export interface Start {
  readonly folder: string;
  readonly sha256: string;
}

/**
 * Checks that a run can start from the model that its settings name, if they name one, from the model's headers alone.
 *
 * @param onNote told what of the two models is different though all weights fit, a sentence each
 * @throws UsageError that names every setting or tensor that does not fit, what it is, and what is expected
 */
export async function checkStart(settings: Settings, onNote: (sentence: string) => void): Promise<void> {
  const { from } = settings;
  if (from === undefined) return;
  const { folder, config } = await findModel(from);
  const own = decoderConfig(settings, settings.size.vocabulary);
  const faults = sizeFaults(settings, own, config);
  if (faults.length > 0) {
    throw new UsageError(
      `from: the model in ${folder} is not of the sizes of the settings:\n${faults.map((fault) => `  ${fault}`).join('\n')}`,
    );
  }
  try {
    await checkWeights(folder, own);
  } catch (error) {
    if (!(error instanceof WeightsError)) throw error;
    throw new UsageError(
      `from: the model in ${folder} does not fit the router ${settings.router} and the other settings; name those that it was trained with. ${error.message}`,
    );
  }
  for (const key of otherKeys(own, config)) {
    onNote(`${key} is ${shownKey(config, key)} in ${folder}, and ${shownKey(own, key)} in this run`);
  }
}

/** The weights that a run starts from, as they are now. Throws UsageError when there are none at the path. */
export async function findStart(from: string): Promise<Start> {
  const { folder } = await findModel(from);
  const sums: string[] = [];
  for (const name of await weightFiles(folder)) sums.push(`${name} ${(await sha256OfFile(join(folder, name))).sum}\n`);
  return { folder, sha256: sha256(sums.join('')) };
}

/** Sizes that the settings have otherwise, by their path; the number of experts a token may be another one. */
function sizeFaults({ architecture }: Settings, own: DecoderConfig, source: DecoderConfig): string[] {
  if (own.model_type !== source.model_type) {
    return [`architecture: got ${architecture} (${own.model_type}), but the model is ${source.model_type}`];
  }
  const { sizes } = ARCHITECTURE_TABLE[architecture];
  const paths = Object.entries({ ...sizes, vocab_size: 'vocabulary' }).filter(([, field]) => field !== 'topK');
  return paths
    .filter(([key]) => configValue(own, key) !== configValue(source, key))
    .map(
      ([key, field]) => `size.${field}: got ${shownKey(own, key)}, but the model has ${key} ${shownKey(source, key)}`,
    );
}

/** Keys that change what a model computes, of those that no router reads. */
function otherKeys(own: DecoderConfig, source: DecoderConfig): string[] {
  const isOfRouting = (key: string): boolean => /^(?:router|lpr|output_router)_/.test(key);
  return [...keysInUse(own)].filter(
    (key) =>
      !isOfRouting(key) &&
      key !== 'max_position_embeddings' &&
      JSON.stringify(configValue(own, key)) !== JSON.stringify(configValue(source, key)),
  );
}

function shownKey(config: DecoderConfig, key: string): string {
  return JSON.stringify(configValue(config, key)) ?? 'nothing';
}
