/** A small model as a run's checkpoint, with its tokenizer. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { trainBpe } from '@lpr/data';
import { createDecoder, parseDecoderConfig } from '@lpr/model';
import { saveHuggingFace } from '@lpr/model/node';
import { createWasmDevice, scope, tensor } from '@lpr/tensor';

const TEXT = 'The state of our union is strong.';

/** A text and how the model itself routes it, a layer each; as `Routing` says it, flat. */
export interface RoutedModel {
  readonly text: string;
  readonly chosen: number[][];
  readonly weights: number[][];
  readonly scores: number[][];
  /** Of a latent router. */
  readonly latents: number[][];
}

/** Writes `checkpoints/step-...` and `tokenizer.json`. */
export async function writeModel(
  run: string,
  { step, seed, lpr = false }: { step: number; seed: number; lpr?: boolean },
): Promise<RoutedModel> {
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
    ...(lpr && { router_type: 'lpr', router_latent_dim: 4 }),
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
      const scores: number[][] = [];
      const latents: number[][] = [];
      for (const routing of routings) {
        chosen.push(Array.from(await routing.experts.data()));
        weights.push(Array.from(await routing.weights.data()));
        scores.push(Array.from(await routing.scores.data()));
        latents.push(Array.from((await routing.details?.['mu']?.data()) ?? []));
      }
      return { chosen, weights, scores, latents };
    });
    return { text: TEXT, ...routed };
  } finally {
    await device.dispose();
  }
}
