/** Sizes of a decoder before it exists: parameters and memory. */
import { sizeOf } from '@lpr/tensor';
import { type DecoderConfig, planDecoder } from './families/index.ts';
import { decoderParameters } from './parameters.ts';
import type { AttentionPlan, DecoderPlan, DensePlan, LatentAttentionPlan, MoePlan } from './plan.ts';

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
 * Bytes that a step on `[batch, sequence]` tokens takes on the device when the gradients of earlier micro-batches are already there (the first takes less);
 * without training, those of an evaluation. Right to some percent with the families' own routers and LPR, to about a quarter with others.
 */
export function predictMemory(
  config: DecoderConfig,
  { batch, sequence, training }: { readonly batch: number; readonly sequence: number; readonly training: boolean },
): MemoryPrediction {
  const plan = planDecoder(config);
  const { total, buffers } = countParameters(config);
  const tokens = batch * sequence;
  const parts = [
    ...plan.layers.flatMap(({ attention, feedForward }) => [
      attentionNumbers(attention, plan.hidden, tokens),
      feedForwardNumbers(feedForward, plan.hidden, tokens),
    ]),
    headNumbers(plan, tokens, training),
  ];
  // A training step is fullest while one of its parts runs forward or backward and all before it wait for their turn backward.
  let waiting = 0;
  let activations = 0;
  for (const { kept, forward, backward } of parts) {
    waiting = training ? waiting + kept : kept;
    activations = Math.max(activations, waiting + (training ? Math.max(forward, backward) : forward));
  }
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
  /** The most that lives besides while the part runs forward, and while it runs backward. */
  readonly forward: number;
  readonly backward: number;
}

function attentionNumbers(plan: AttentionPlan, hidden: number, tokens: number): Numbers {
  const { heads } = plan;
  const widths =
    plan.kind === 'groupedQuery'
      ? groupedQueryWidths(heads * plan.headDim, plan.keyHeads * plan.headDim, plan.queryKeyNorm)
      : latentWidths(plan);
  return {
    // The normed input, the sum of input and result, a number a head, and the inverse norms.
    kept: tokens * (2 * hidden + widths.kept + heads + 2),
    forward: tokens * (2 * hidden + widths.forward),
    backward: tokens * (2 * hidden + widths.backward),
  };
}

function groupedQueryWidths(queries: number, keys: number, normed: boolean): Numbers {
  return {
    // q and k before their norm, q and k after the rotary embedding, v, attention's result.
    kept: (normed ? queries + keys : 0) + 2 * queries + 2 * keys,
    forward: queries + keys,
    backward: 2 * queries + 2 * keys,
  };
}

function latentWidths({ heads, queryRank, keyValueRank, nopeDim, ropeDim, valueDim }: LatentAttentionPlan): Numbers {
  const queries = heads * (nopeDim + ropeDim);
  const values = heads * valueDim;
  return {
    // Both latents before and after their norm, q, k, v, attention's result.
    kept: 2 * (queryRank ?? 0) + 2 * keyValueRank + 2 * queries + 2 * values,
    // What q, k and v are cut from and joined of.
    forward: 4 * queries + values + keyValueRank + 3 * ropeDim,
    // The gradient of q, and those of k and v on their way into one tensor.
    backward: queries + 3 * heads * (nopeDim + valueDim),
  };
}

function feedForwardNumbers(plan: DensePlan | MoePlan, hidden: number, tokens: number): Numbers {
  if (plan.kind === 'dense') return mlpNumbers(plan.width, hidden, tokens);
  const { topK, width, experts, router, sharedWidth } = plan;
  // Methods that may use all experts for a token have room for all.
  const rows = tokens * (router.kind === 'remoe' || router.kind === 'dselectK' ? experts : topK);
  const routerKept = router.kind === 'latentPrototype' ? 2 * hidden + 12 * router.latentDim + 2 * experts : 2 * experts;
  // Dispatched inputs, gate and up, their product, results.
  const expertsKept = rows * (2 * hidden + 3 * width + 6);
  const shared = mlpNumbers(sharedWidth, hidden, tokens);
  return {
    kept: tokens * routerKept + expertsKept + shared.kept,
    forward: shared.forward,
    // The gradients of the widest tensors, before the first of them is used up; twice those of the experts' weights.
    backward: Math.max(
      rows * (hidden + 3 * width) + tokens * 3 * hidden,
      shared.backward,
      2 * experts * 2 * width * hidden,
    ),
  };
}

/** Also the norm before it and the sum after it. */
function mlpNumbers(width: number, hidden: number, tokens: number): Numbers {
  return {
    kept: tokens * (2 * hidden + 3 * width + 2),
    forward: tokens * 3 * hidden,
    backward: tokens * (3 * hidden + 3 * width),
  };
}

/** The embedding's gradient, which comes last, is as large as the head's. */
function headNumbers({ hidden, vocabulary }: DecoderPlan, tokens: number, training: boolean): Numbers {
  const chunk = Math.min(tokens, 256);
  return {
    // The head's gradient is computed in the forward pass.
    kept: training ? tokens * 3 * hidden + vocabulary * hidden : 0,
    forward: chunk * vocabulary + (training ? chunk * hidden : tokens * 2 * hidden),
    // While it is added to, a gradient is there three times.
    backward: 2 * vocabulary * hidden,
  };
}
