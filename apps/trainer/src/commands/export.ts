/** `pnpm trainer export`: a trained model as a folder that Hugging Face's libraries open. */
import { saveHuggingFace } from '@lpr/model/node';
import { makeEmptyFolder } from '@lpr/train';
import { findModel, loadModel, tokenizerOf, writeTokenizer } from '../model-source.ts';
import { shown, withDevice } from './shared.ts';

export async function exportModel(
  path: string,
  folder: string,
  { tokenizer }: { readonly tokenizer?: string },
): Promise<void> {
  const source = await findModel(path, tokenizer);
  await makeEmptyFolder(folder);
  await withDevice({}, async (device) => {
    const decoder = await loadModel(device, source);
    await saveHuggingFace(decoder, folder);
    decoder.dispose();
  });
  if (source.tokenizerFile !== null) {
    await writeTokenizer(folder, await tokenizerOf(source), source.config.max_position_embeddings);
  }
  if (source.config.router_type !== 'vanilla') {
    console.error(
      `note: transformers has no router "${source.config.router_type}", so it does not compute this model; @lpr/model does`,
    );
  }
  console.log(shown(folder));
}
