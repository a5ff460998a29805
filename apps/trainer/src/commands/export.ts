/** `pnpm trainer export`: a trained model as a folder that Hugging Face's libraries open. */
import { saveHuggingFace } from '@lpr/model/node';
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
      await saveHuggingFace(decoder, temporary);
      decoder.dispose();
    });
    if (tokenizer !== null) await writeTokenizer(temporary, tokenizer, source.config.max_position_embeddings);
  });
  if (source.config.router_type !== 'vanilla') {
    console.error(
      `note: transformers has no router "${source.config.router_type}", so it does not compute this model; @lpr/model does`,
    );
  }
  console.log(shown(folder));
}
