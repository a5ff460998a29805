/** A small decoder and its data, for the tests of the training loop. */
import { BatchStream } from '@lpr/data';
import { createDecoder, type Decoder, parseDecoderConfig } from '@lpr/model';
import type { ExpertRanks } from '@lpr/moe';
import type { Device } from '@lpr/tensor';
import { type StepReport, Trainer, type TrainerOptions } from '../src/trainer.ts';

export const vocabulary = 40;
export const loads = { layers: 2, experts: 6, topK: 2 };

/**
 * Two layers, hidden width 16; `router` as in the model's config; 'plain' is vanilla without a balancing loss, 'lpr' as
 * released, 'corrected' has a selection bias; 'tied' is vanilla with the embedding as its head.
 */
export function makeDecoder(
  device: Device,
  router: 'plain' | 'vanilla' | 'lpr' | 'corrected' | 'adamoe' | 'dense' | 'tied',
  seed = 0,
  { experts = null, latentDim = null }: { experts?: ExpertRanks | null; latentDim?: number | null } = {},
): Decoder {
  const config = parseDecoderConfig({
    model_type: 'qwen3_moe',
    vocab_size: vocabulary,
    hidden_size: 16,
    num_hidden_layers: loads.layers,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 8,
    num_experts: loads.experts,
    num_experts_per_tok: loads.topK,
    moe_intermediate_size: 8,
    intermediate_size: 8,
    norm_topk_prob: true,
    max_position_embeddings: 16,
    router_type: router === 'plain' || router === 'tied' ? 'vanilla' : router === 'corrected' ? 'lpr' : router,
    tie_word_embeddings: router === 'tied',
    ...(latentDim === null ? {} : { expert_latent_dim: latentDim }),
    output_router_logits: router === 'vanilla' || router === 'tied',
    ...(router === 'lpr' ? { lpr_formulation: 'official', router_latent_dim: 4 } : {}),
    ...(router === 'corrected' ? { lpr_formulation: 'corrected', router_latent_dim: 4 } : {}),
  });
  return createDecoder(device, config, { seed, experts });
}

/** A text with something to learn: every token follows from the one before. */
export const tokens: Int32Array = Int32Array.from({ length: 2_000 }, (_, i) => (i * i + 3 * i) % vocabulary);

export function makeTrainer(decoder: Decoder, options: Partial<TrainerOptions> = {}): Trainer {
  return new Trainer({
    decoder,
    stream: new BatchStream({ tokens, batchSize: 3, sequenceLength: 8, seed: 1 }),
    seed: 1,
    learningRate: 0.01,
    schedule: { warmupSteps: 2, stableSteps: 50, decaySteps: 10, decay: 'cosine', minRatio: 0.1 },
    ...options,
  });
}

/** Takes steps without waiting for the report of one before the next. */
export async function take(trainer: Trainer, steps: number): Promise<StepReport[]> {
  return await Promise.all(Array.from({ length: steps }, () => trainer.recordStep()));
}
