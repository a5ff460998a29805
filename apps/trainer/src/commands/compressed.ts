/** What commands that make another model of one have in common: whole weights in, a Hugging Face folder out. */
import type { Tokenizer } from '@lpr/data';
import { createDecoder, type DecoderConfig, exportWeights, importWeights, type Weight } from '@lpr/model';
import { saveHuggingFace } from '@lpr/model/node';
import type { Device } from '@lpr/tensor';
import { makeEmptyFolder } from '@lpr/runs';
import { loadModel, type ModelSource, tokenizerOf, writeTokenizer } from '../run/model-source.ts';

export interface CompressionTarget {
  readonly folder: string;
  readonly tokenizer: Tokenizer | null;
  /** Those of the model, each expert's matrices under names of their own. */
  readonly weights: (device: Device) => Promise<ReadonlyMap<string, Weight>>;
}

/**
 * Makes the folder.
 *
 * @throws UsageError when the tokenizer does not fit the model; Error when the folder holds something
 */
export async function openCompressed(source: ModelSource, folder: string): Promise<CompressionTarget> {
  const tokenizer = source.tokenizerFile === null ? null : await tokenizerOf(source);
  await makeEmptyFolder(folder);
  const weights = async (device: Device): Promise<ReadonlyMap<string, Weight>> => {
    const decoder = await loadModel(device, source);
    const exported = await exportWeights(decoder);
    decoder.dispose();
    return exported;
  };
  return { folder, tokenizer, weights };
}

/** Writes config, weights and, where there is one, the tokenizer. */
export async function writeCompressed(
  device: Device,
  { folder, tokenizer }: CompressionTarget,
  { config, weights }: { readonly config: DecoderConfig; readonly weights: ReadonlyMap<string, Weight> },
): Promise<void> {
  const decoder = createDecoder(device, config, { seed: 0 });
  importWeights(decoder, weights);
  await saveHuggingFace(decoder, folder);
  decoder.dispose();
  if (tokenizer !== null) await writeTokenizer(folder, tokenizer, config.max_position_embeddings);
}
