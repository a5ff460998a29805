/** Decoders and batches out of fixtures, and what a decoder computed under the fixtures' names. */
import { createDecoder, type Decoder, type DecoderBatch, importWeights, parseDecoderConfig } from '@lpr/model';
import type { LossTerm, Routing } from '@lpr/moe';
import { type Device, type Shape, sizeOf, type Tensor, tensor } from '@lpr/tensor';
import { AdamW } from '@lpr/tensor/nn';
import type { CaseInfo, Fixture } from './fixtures.ts';

/** A decoder with the config and the weights of a case. */
export function decoderOf(device: Device, fixture: Fixture, changes: Readonly<Record<string, unknown>> = {}): Decoder {
  const decoder = createDecoder(device, parseDecoderConfig({ ...fixture.info.config, ...changes }), { seed: 0 });
  importWeights(decoder, fixture.weights());
  return decoder;
}

/** The optimiser of a case. */
export function optimizerOf(device: Device, parameters: ReadonlyMap<string, Tensor>, { optimizer }: CaseInfo): AdamW {
  const { betas, eps, weight_decay: weightDecay, clip_grad_norm: clipNorm } = optimizer;
  return new AdamW(device, parameters, { beta1: betas[0], beta2: betas[1], epsilon: eps, weightDecay, clipNorm });
}

/** Fixtures hold unshifted labels `[batch, sequence]`; ours are the token after each input. */
export function batchOf(device: Device, ids: Int32Array, labels: Int32Array, shape: Shape): DecoderBatch {
  const sequence = shape[1]!;
  const shifted = labels.map((_, i) => ((i + 1) % sequence === 0 ? -100 : labels[i + 1]!));
  return { inputIds: tensor(device, ids, shape), labels: tensor(device, shifted, shape) };
}

/** One tensor of each parameter's size, split into those that a checkpoint names. */
export async function pieces(decoder: Decoder, of: (parameter: Tensor) => Tensor): Promise<Map<string, Float32Array>> {
  const parts = new Map<string, Float32Array>();
  for (const { name, trained, pieces } of decoder.layout) {
    if (!trained) continue;
    const data = await of(decoder.parameters.get(name)!).dataF32();
    for (const { name: piece, shape, start } of pieces) parts.set(piece, data.subarray(start, start + sizeOf(shape)));
  }
  return parts;
}

/** What multiplies LPR's regulariser in a case, and its diversity besides; 1 where the formulation has none. */
export function regularizerScales({ config }: CaseInfo): { strength: number; lambda: number } {
  const released = ['reference', 'official'].includes(String(config['lpr_formulation']));
  return {
    strength: Number(config['router_kl_loss_coef'] ?? 1),
    lambda: released ? Number(config['diversity_lambda'] ?? 1) : 1,
  };
}

/**
 * The raw terms of LPR's regulariser and what is made of them. `lambda` multiplies the penalties in the fixtures, and
 * is part of our weights.
 */
export async function regularizerOutputs(
  losses: readonly LossTerm[],
  { strength, lambda }: { readonly strength: number; readonly lambda: number },
): Promise<Map<string, number>> {
  const read = new Map<string, number>();
  let diversity = 0;
  let regularizer = 0;
  for (const { name, value, weight } of losses) {
    const raw = await value.item();
    regularizer += (weight / strength) * raw;
    if (name === 'diversityTokens') read.set('div_tokens', lambda * raw);
    else if (name === 'diversityKeys') read.set('div_keys', lambda * raw);
    else if (name === 'alignment') read.set('align', raw);
    else read.set(name, raw);
    if (name.startsWith('diversity')) diversity += lambda * raw;
  }
  return read.set('div', diversity).set('reg', regularizer);
}

/** Tensors that a routing holds. */
export function routingOutputs({ details, scores, logits = scores, weights }: Routing): Map<string, Tensor> {
  return new Map(Object.entries({ ...details, scores, logits, weights }));
}

/** In the paper's formulation only one of two penalties is part of the loss; a case may hold the other too. */
export function informativePenalty({ config }: CaseInfo): string | null {
  if (config['lpr_formulation'] !== 'paper') return null;
  return config['paper_div_target'] === 'prototypes' ? 'div_tokens' : 'div_keys';
}
