/** What commands that make another model of one have in common: whole weights in, a Hugging Face folder out. */
import { createDecoder, type DecoderConfig, exportWeights, importWeights, type Weight } from '@lpr/model';
import { saveHuggingFace } from '@lpr/model/node';
import { writeFolder } from '@lpr/runs';
import type { Device } from '@lpr/tensor';
import { loadModel, type ModelSource, tokenizerOf, writeTokenizer } from '../run/model-source.ts';
import { type DeviceOptions, withDevice } from './shared.ts';

interface Compressed {
  readonly config: DecoderConfig;
  readonly weights: ReadonlyMap<string, Weight>;
}

export interface CompressOptions<Model extends Compressed> extends DeviceOptions {
  /** To make. */
  readonly out: string;
  /** @param weights those of the model, read when called, each expert's matrices under names of their own */
  readonly compress: (device: Device, weights: () => Promise<ReadonlyMap<string, Weight>>) => Promise<Model>;
}

/**
 * Makes another model out of one and writes its config, weights and, where there is one, the tokenizer.
 *
 * @throws UsageError when the tokenizer does not fit the model; Error when the folder holds something
 */
export async function writeCompressed<Model extends Compressed>(
  source: ModelSource,
  { out, compress, ...options }: CompressOptions<Model>,
): Promise<Model> {
  const tokenizer = source.tokenizerFile === null ? null : await tokenizerOf(source);
  return await writeFolder(out, (folder) =>
    withDevice(options, async (device) => {
      const model = await compress(device, async () => {
        const decoder = await loadModel(device, source);
        const exported = await exportWeights(decoder);
        decoder.dispose();
        return exported;
      });
      const { config, weights } = model;
      const decoder = createDecoder(device, config, { seed: 0 });
      importWeights(decoder, weights);
      await saveHuggingFace(decoder, folder);
      decoder.dispose();
      if (tokenizer !== null) await writeTokenizer(folder, tokenizer, config.max_position_embeddings);
      return model;
    }),
  );
}
