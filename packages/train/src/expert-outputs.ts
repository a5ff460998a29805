/** What all experts of a model make of the same tokens, and how alike that is. */
import type { Batch } from '@lpr/data';
import { expertSimilarity, type Matrix } from '@lpr/metrics';
import type { Decoder } from '@lpr/model';
import type { LayerSimilarity } from '@lpr/runs';
import { embedding, scope, type Tensor, tensor } from '@lpr/tensor';
import { uploadBatch } from './trainer.ts';

/**
 * Linear CKA of the outputs of all experts on some tokens, layer by layer, each expert run on every token as the layer
 * reads it. One layer's outputs are held at a time: 4 bytes x experts x tokens x hidden.
 *
 * @param batches whose tokens the chosen ones are spread evenly over
 * @param tokens to choose, at most; at least two
 * @param onLayer told how many layers are done
 */
export async function measureSimilarity(
  decoder: Decoder,
  batches: readonly Batch[],
  tokens: number,
  onLayer?: (done: number) => void,
): Promise<LayerSimilarity[]> {
  const layers: LayerSimilarity[] = [];
  for (const [i, layer] of decoder.moeLayers.entries()) {
    const outputs = await outputsOf(decoder, i, batches, tokens);
    layers.push({ layer, tokens: outputs[0]!.rows, ...expertSimilarity(outputs) });
    onLayer?.(i + 1);
  }
  return layers;
}

/** Of every expert of a layer, `[tokens, hidden]`. @param index of the layer among those with experts */
async function outputsOf(
  decoder: Decoder,
  index: number,
  batches: readonly Batch[],
  tokens: number,
): Promise<Matrix[]> {
  const { device, plan } = decoder;
  const mixture = decoder.mixtures[index]!;
  const input = new RegExp(String.raw`^model\.layers\.${decoder.moeLayers[index]!}\..*\.experts\.input$`);
  const total = batches.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  const count = Math.min(tokens, total);
  const chosen = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * total) / count));
  const parts: Float32Array[][] = Array.from({ length: mixture.router.experts }, () => []);
  let before = 0;
  for (const batch of batches) {
    const end = before + batch.inputIds.length;
    const rows = chosen.filter((at) => at >= before && at < end).map((at) => at - before);
    before = end;
    if (rows.length === 0) continue;
    const { reads } = scope(
      device,
      () => {
        const reads: Promise<ArrayLike<number>>[] = [];
        const observe = (name: string, activation: Tensor): void => {
          if (!input.test(name)) return;
          const read = embedding(activation, tensor(device, Int32Array.from(rows), [rows.length]));
          for (const expert of parts.keys()) reads.push(mixture.outputOf(expert, read).data());
        };
        decoder.forward(uploadBatch(decoder, batch), { training: false, observe });
        return { reads };
      },
      { gradients: false },
    );
    (await Promise.all(reads)).forEach((values, expert) => parts[expert]!.push(values as Float32Array));
  }
  return parts.map((each) => {
    const values = new Float32Array(count * plan.hidden);
    let at = 0;
    for (const part of each) {
      values.set(part, at);
      at += part.length;
    }
    return { rows: count, columns: plan.hidden, values };
  });
}
