/** `pnpm trainer export`: a trained model as a folder that Hugging Face's libraries open. */
import { foreignToTransformers, saveForTransformers } from '@lpr/model/node';
import { writeFolder } from '@lpr/runs';
import { findModel, loadModel, tokenizerOf, writeTokenizer } from '../run/model-source.ts';
import { shown, withDevice } from './shared.ts';

export async function exportModel(
  path: string,
  folder: string,
  options: { readonly tokenizer?: string },
): Promise<void> {
  const source = await findModel(path, options.tokenizer);
  // Before anything is written: it may not fit the model.
  const tokenizer = source.tokenizerFile === null ? null : await tokenizerOf(source);
  await writeFolder(folder, async (temporary) => {
    await withDevice({}, async (device) => {
      const decoder = await loadModel(device, source);
      await saveForTransformers(decoder, temporary);
      decoder.dispose();
    });
    if (tokenizer !== null) await writeTokenizer(temporary, tokenizer, source.config.max_position_embeddings);
  });
  const lacking = foreignToTransformers(source.config);
  if (lacking !== null) {
    console.error(`note: transformers has ${lacking}, so it does not compute this model; @lpr/model does`);
  } else if (source.config.router_type === 'lpr') {
    console.error('note: transformers 5 opens it with trust_remote_code=True, by the code beside the weights');
  }
  console.log(shown(folder));
}
