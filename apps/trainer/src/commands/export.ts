/** `pnpm trainer export`: a trained model as a folder that Hugging Face's libraries open. */
import { join } from 'node:path';
import { saveHuggingFace } from '@lpr/model/node';
import { makeEmptyFolder, writeWhole } from '@lpr/train';
import { findModel, loadModel, TOKENIZER_FILE, tokenizerOf } from '../model-source.ts';
import { shown, withDevice } from './shared.ts';

export async function exportModel(
  path: string,
  folder: string,
  { tokenizer }: { readonly tokenizer?: string },
): Promise<void> {
  const source = await findModel(path, tokenizer);
  // Before anything is written: it may not fit the model.
  const end = source.tokenizerJson !== null && tokenizerOf(source).endOfText !== null;
  await makeEmptyFolder(folder);
  await withDevice({}, async (device) => {
    const decoder = await loadModel(device, source);
    await saveHuggingFace(decoder, folder);
    decoder.dispose();
  });
  if (source.tokenizerJson !== null) {
    // What AutoTokenizer needs to know besides.
    const settings = {
      tokenizer_class: 'PreTrainedTokenizerFast',
      model_max_length: source.config.max_position_embeddings,
      ...(end ? { eos_token: '<|endoftext|>' } : {}),
    };
    await writeWhole(join(folder, TOKENIZER_FILE), source.tokenizerJson);
    await writeWhole(join(folder, 'tokenizer_config.json'), `${JSON.stringify(settings, null, 2)}\n`);
  }
  if (source.config.router_type !== 'vanilla') {
    console.error(
      `note: transformers has no router "${source.config.router_type}", so it does not compute this model; @lpr/model does`,
    );
  }
  console.log(shown(folder));
}
