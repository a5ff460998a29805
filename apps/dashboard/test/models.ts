/** A small model as a run's checkpoint, with its tokenizer. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { trainBpe } from '@lpr/data';
import { createDecoder, parseDecoderConfig } from '@lpr/model';
import { saveHuggingFace } from '@lpr/model/node';
import { createWasmDevice, scope, tensor } from '@lpr/tensor';

const TEXT = 'The state of our union is strong.';

/** Writes `checkpoints/step-...` and `tokenizer.json`; gives a text and how the model itself routes it. */
export async function writeModel(
  run: string,
  { step, seed }: { step: number; seed: number },
): Promise<{ text: string; chosen: number[][]; weights: number[][] }> {
  const tokenizer = trainBpe([TEXT.repeat(20)], { vocabularySize: 300 });
  const config = parseDecoderConfig({
    model_type: 'mixtral',
    vocab_size: tokenizer.vocabularySize,
    hidden_size: 32,
    intermediate_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 16,
    max_position_embeddings: 64,
    num_local_experts: 8,
    num_experts_per_tok: 2,
  });
  const device = await createWasmDevice({ threads: 0 });
  try {
    const decoder = createDecoder(device, config, { seed });
    const folder = join(run, 'checkpoints', `step-${String(step).padStart(6, '0')}`);
    await mkdir(folder, { recursive: true });
    await saveHuggingFace(decoder, folder);
    await writeFile(join(run, 'tokenizer.json'), tokenizer.toJson());
    const ids = tokenizer.encode(TEXT);
    const routed = await scope(device, async () => {
      const inputIds = tensor(device, ids, [1, ids.length], 'i32');
      const { routings } = decoder.forward({ inputIds, labels: inputIds }, { training: false });
      const chosen: number[][] = [];
      const weights: number[][] = [];
      for (const routing of routings) {
        chosen.push(Array.from(await routing.experts.data()));
        weights.push(Array.from(await routing.weights.data()));
      }
      return { chosen, weights };
    });
    return { text: TEXT, ...routed };
  } finally {
    await device.dispose();
  }
}
