/** What all experts of a model make of the same tokens, and how alike that is. */
import type { Batch } from '@lpr/data';
import { expertSimilarity, type Matrix } from '@lpr/metrics';
import type { Decoder } from '@lpr/model';
import type { MoeLayer } from '@lpr/moe';
import type { LayerSimilarity } from '@lpr/runs';
import { concatenate, embedding, keep, scope, type Tensor, tensor } from '@lpr/tensor';
import { uploadBatch } from './micro-batches.ts';

/** Of a layer with experts, what they read. */
const INPUT = /^model\.layers\.\d+\..*\.experts\.input$/;

/**
 * Linear CKA of the outputs of all experts on some tokens, layer by layer, each expert run on every token as the layer
 * reads it. The inputs of all layers are held, 4 bytes x layers x tokens x hidden, and the outputs of one at a time, 8
 * bytes x experts x tokens x hidden on the device.
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
  const inputs: Tensor[][] = decoder.moeLayers.map(() => []);
  try {
    readInputs(decoder, batches, tokens, inputs);
    const layers: LayerSimilarity[] = [];
    for (const [i, mixture] of decoder.mixtures.entries()) {
      const outputs = await outputsOf(mixture, inputs[i]!);
      layers.push({ layer: decoder.moeLayers[i]!, tokens: outputs[0]!.rows, ...expertSimilarity(outputs) });
      onLayer?.(i + 1);
    }
    return layers;
  } finally {
    for (const part of inputs.flat()) part.dispose();
  }
}

/** Adds to the inputs of each layer what its experts read of some tokens, `[tokens, hidden]` of each batch. */
function readInputs(decoder: Decoder, batches: readonly Batch[], tokens: number, inputs: readonly Tensor[][]): void {
  const { device } = decoder;
  const total = batches.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  const count = Math.min(tokens, total);
  const chosen = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * total) / count));
  let before = 0;
  for (const batch of batches) {
    const end = before + batch.inputIds.length;
    const rows = chosen.filter((at) => at >= before && at < end).map((at) => at - before);
    before = end;
    if (rows.length === 0) continue;
    scope(
      device,
      () => {
        const at = tensor(device, Int32Array.from(rows), [rows.length]);
        let layer = 0;
        const observe = (name: string, activation: Tensor): void => {
          if (INPUT.test(name)) inputs[layer++]!.push(keep(embedding(activation, at)));
        };
        decoder.forward(uploadBatch(decoder, batch), { training: false, observe });
      },
      { gradients: false },
    );
  }
}

/** What each expert of a layer makes of its inputs, `[tokens, hidden]`. @param inputs `[rows, hidden]` each */
async function outputsOf(mixture: MoeLayer, inputs: readonly Tensor[]): Promise<Matrix[]> {
  const { experts } = mixture.router;
  const { rows, columns, read } = scope(
    inputs[0]!.device,
    () => {
      const input = concatenate(inputs, 0);
      const [rows = 0, columns = 0] = input.shape;
      const outputs = Array.from({ length: experts }, (_, expert) => mixture.outputOf(expert, input));
      return { rows, columns, read: concatenate(outputs, 0).data() };
    },
    { gradients: false },
  );
  const values = (await read) as Float32Array;
  const size = rows * columns;
  return Array.from({ length: experts }, (_, expert) => ({
    ...{ rows, columns },
    values: values.subarray(expert * size, (expert + 1) * size),
  }));
}
