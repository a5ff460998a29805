/** Sizes of a decoder before it exists: parameters and memory. */
import { sizeOf } from '@lpr/tensor';
import type { DecoderConfig } from './config.ts';
import { planDecoder } from './families/index.ts';
import { decoderParameters } from './parameters.ts';
import type { DecoderPlan, LayerPlan } from './plan.ts';

export interface ParameterCounts {
  /** All trained numbers. */
  readonly total: number;
  /** Those that one token passes through: k of the M experts. */
  readonly active: number;
  /** The same two without the embedding and the head. */
  readonly totalWithoutEmbeddings: number;
  readonly activeWithoutEmbeddings: number;
  /** Untrained numbers that a checkpoint holds besides. */
  readonly buffers: number;
}

export function countParameters(config: DecoderConfig): ParameterCounts {
  const plan = planDecoder(config);
  const specs = decoderParameters(plan).map((spec) => ({ ...spec, size: sizeOf(spec.shape) }));
  const total = specs.reduce((sum, { size, trained }) => sum + (trained ? size : 0), 0);
  const idle = plan.layers.reduce((sum, { feedForward }) => {
    if (feedForward.kind === 'dense') return sum;
    return sum + (feedForward.experts - feedForward.topK) * 3 * feedForward.width * plan.hidden;
  }, 0);
  const embeddings = 2 * plan.vocabulary * plan.hidden;
  return {
    total,
    active: total - idle,
    totalWithoutEmbeddings: total - embeddings,
    activeWithoutEmbeddings: total - idle - embeddings,
    buffers: specs.reduce((sum, { size, trained }) => sum + (trained ? 0 : size), 0),
  };
}

export interface MemoryPrediction {
  readonly parameters: number;
  readonly gradients: number;
  /** Two moments of AdamW. */
  readonly optimizer: number;
  /** What the forward pass keeps for the backward pass, and the largest passing tensors. */
  readonly activations: number;
  readonly total: number;
}

/**
 * Bytes that a step on `[batch, sequence]` tokens takes on the device, to some percent, when the gradients of earlier micro-batches are already there
 * (the first takes less); without training, those of an evaluation.
 */
export function predictMemory(
  config: DecoderConfig,
  { batch, sequence, training }: { readonly batch: number; readonly sequence: number; readonly training: boolean },
): MemoryPrediction {
  const plan = planDecoder(config);
  const { total, buffers } = countParameters(config);
  const tokens = batch * sequence;
  const layers = plan.layers.map((layer) => layerNumbers(layer, plan, tokens));
  const head = headNumbers(plan, tokens, training);
  const passing = Math.max(head.passing, ...layers.map((layer) => layer.passing));
  const kept = layers.reduce((sum, layer) => sum + layer.kept, head.kept);
  // While it is added to, a gradient is there three times.
  const largest = Math.max(...decoderParameters(plan).map(({ shape }) => sizeOf(shape)));
  const activations = training
    ? kept + Math.max(passing, 2 * largest)
    : Math.max(head.passing, ...layers.map((layer) => layer.kept + 6 * tokens * plan.hidden));
  const bytes = {
    parameters: 4 * (total + buffers),
    gradients: training ? 4 * total : 0,
    optimizer: training ? 8 * total : 0,
    activations: 4 * activations,
  };
  return { ...bytes, total: Object.values(bytes).reduce((sum, part) => sum + part, 0) };
}

interface Numbers {
  /** Kept from the forward to the backward pass. */
  readonly kept: number;
  /** The most that lives besides while the part runs. */
  readonly passing: number;
}

function layerNumbers({ attention, feedForward }: LayerPlan, { hidden }: DecoderPlan, tokens: number): Numbers {
  const queries = attention.heads * attention.headDim;
  const keys = attention.keyHeads * attention.headDim;
  const norms = attention.queryKeyNorm ? queries + keys : 0;
  // Residual stream twice, both normed inputs, q and k before their norm and after the rotary embedding, v, attention's result.
  const attentionKept = tokens * (4 * hidden + norms + 2 * queries + 2 * keys + attention.heads + 4);
  if (feedForward.kind === 'dense') {
    return {
      kept: attentionKept + tokens * 3 * feedForward.width,
      passing: tokens * (3 * hidden + 6 * feedForward.width),
    };
  }
  const { topK, width, experts, router } = feedForward;
  const rows = tokens * topK;
  const routerKept =
    router.kind === 'latentPrototype'
      ? tokens * (2 * hidden + 12 * router.latentDim + 2 * experts)
      : tokens * 2 * experts;
  // Dispatched inputs, gate and up, their product, results.
  const expertsKept = rows * (2 * hidden + 3 * width + 6);
  return {
    kept: attentionKept + routerKept + expertsKept,
    // The gradients of a layer's widest tensors, before the first of them is used up.
    passing: rows * (hidden + 3 * width) + tokens * 3 * hidden,
  };
}

function headNumbers({ hidden, vocabulary }: DecoderPlan, tokens: number, training: boolean): Numbers {
  const logits = Math.min(tokens, 256) * vocabulary;
  return training
    ? { kept: tokens * 3 * hidden + vocabulary * hidden, passing: logits + Math.min(tokens, 256) * hidden }
    : { kept: 0, passing: logits + tokens * 2 * hidden };
}
