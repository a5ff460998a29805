/** Sizes of a decoder before it exists: parameters and memory. */
import { sizeOf } from '@lpr/tensor';
import { heldShape, MOMENT_BYTES, type MomentType } from '@lpr/tensor/nn';
import { type DecoderConfig, planDecoder } from './families/index.ts';
import { decoderParameters, type ModelParameter } from './parameters.ts';
import {
  type AttentionPlan,
  type DecoderPlan,
  type DensePlan,
  expertsSeen,
  type LatentAttentionPlan,
  type MoePlan,
} from './plan.ts';

export interface ParameterCounts {
  /** All trained numbers. */
  readonly total: number;
  /** Those that one token passes through: of the M experts those that it goes to. */
  readonly active: number;
  /** The same two without the embedding and the head. */
  readonly totalWithoutEmbeddings: number;
  readonly activeWithoutEmbeddings: number;
  /** Untrained numbers that a checkpoint holds besides. */
  readonly buffers: number;
}

/**
 * How many numbers a model holds, and how many of them a token passes.
 *
 * @param expertsPerToken experts that a token goes to, of each layer with experts; k unless given
 */
export function countParameters(config: DecoderConfig, expertsPerToken?: readonly number[]): ParameterCounts {
  const plan = planDecoder(config);
  const seen = expertsSeen(plan, expertsPerToken);
  const specs = decoderParameters(plan).map((spec) => ({ ...spec, size: sizeOf(spec.shape) }));
  const total = specs.reduce((sum, { size, trained }) => sum + (trained ? size : 0), 0);
  const idle = plan.layers.reduce((sum, { feedForward }, i) => {
    if (feedForward.kind === 'dense') return sum;
    const { experts, width, expertLatentDim } = feedForward;
    return sum + (experts - seen[i]!) * 3 * width * (expertLatentDim ?? plan.hidden);
  }, 0);
  const embeddings = (plan.tiedHead ? 1 : 2) * plan.vocabulary * plan.hidden;
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

export interface StepSize {
  /** Sequences of a micro-batch. */
  readonly batch: number;
  readonly sequence: number;
  /** false: an evaluation, without gradients and optimiser. */
  readonly training: boolean;
  /**
   * Micro-batches in a step, 1 unless given: with several, the gradients of earlier ones are there while the next is
   * computed.
   */
  readonly accumulation?: number;
  /** How AdamW keeps its moments; float32 unless given. */
  readonly moments?: MomentType | undefined;
  /** Ranks that share the experts out, 1 unless given: of the one that holds the most. */
  readonly ranks?: number;
  /** Rows that this rank's experts get over what they would if all got as many; 1 unless given. */
  readonly load?: number;
}

/**
 * Bytes that a micro-batch of `[batch, sequence]` tokens takes on the device at most. Right to some percent with the
 * families' own routers and LPR, to about a quarter with others.
 */
export function predictMemory(config: DecoderConfig, step: StepSize): MemoryPrediction {
  const { batch, sequence, training, accumulation = 1, moments = 'float32', ranks = 1, load = 1 } = step;
  const plan = planDecoder(config);
  // The last rank has an expert more where they cannot be shared out evenly.
  const specs = decoderParameters(plan, ranks === 1 ? null : { rank: ranks - 1, size: ranks });
  const numbers = (trained: boolean): number =>
    specs.reduce((sum, spec) => sum + (spec.trained === trained ? sizeOf(heldShape(spec)) : 0), 0);
  const [total, buffers] = [numbers(true), numbers(false)];
  const parts = partsOf(plan, specs, batch * sequence, training, { ranks, load });
  // A step is fullest while one of its parts runs forward or backward and all before it wait for their turn backward.
  let waiting = 0;
  let behind = total;
  let fullest = { gradients: 0, activations: 0 };
  const consider = (gradients: number, activations: number): void => {
    if (gradients + activations > fullest.gradients + fullest.activations) fullest = { gradients, activations };
  };
  for (const { kept, forward, backward, weights, largestWeight } of parts) {
    behind -= weights;
    waiting = training ? waiting + kept : kept;
    if (!training) {
      consider(0, waiting + forward);
    } else if (accumulation > 1) {
      // While a gradient is added to the one that is there, its new part and the sum live besides.
      consider(total, waiting + Math.max(forward, backward, 2 * largestWeight));
    } else {
      consider(0, waiting + forward);
      // Behind this part all gradients are there; its own come after what they are made from was widest.
      consider(behind, waiting + backward);
      consider(behind + weights, waiting);
    }
  }
  const bytes = {
    parameters: 4 * (total + buffers),
    gradients: 4 * fullest.gradients,
    optimizer: training ? MOMENT_BYTES[moments] * total : 0,
    activations: 4 * fullest.activations,
  };
  return { ...bytes, total: Object.values(bytes).reduce((sum, part) => sum + part, 0) };
}

/** The parts of a decoder in the order of the forward pass. */
function partsOf(
  plan: DecoderPlan,
  specs: readonly ModelParameter[],
  tokens: number,
  training: boolean,
  shared: Shared,
): Part[] {
  const { hidden, vocabulary } = plan;
  // By part once, so that the time grows with the layers and not with their square.
  const sizesOf = new Map<string, number[]>();
  for (const spec of specs) {
    const { name, trained } = spec;
    if (!trained) continue;
    const layer = /^model\.layers\.(\d+)\./.exec(name)?.[1];
    const isAttention = name.includes('.self_attn.') || name.includes('.input_layernorm.');
    const key = layer === undefined ? name : `${layer} ${isAttention ? 'attention' : 'feedForward'}`;
    sizesOf.set(key, [...(sizesOf.get(key) ?? []), sizeOf(heldShape(spec))]);
  }
  const part = (numbers: Numbers, ...keys: readonly string[]): Part => {
    const sizes = keys.flatMap((key) => sizesOf.get(key)!);
    return { ...numbers, weights: sizes.reduce((sum, size) => sum + size, 0), largestWeight: Math.max(...sizes) };
  };
  return [
    {
      kept: 0,
      forward: 0,
      backward: tokens * hidden,
      weights: vocabulary * hidden,
      largestWeight: vocabulary * hidden,
    },
    ...plan.layers.flatMap(({ attention, feedForward }, i) => [
      part(attentionNumbers(attention, hidden, tokens), `${i} attention`),
      part(feedForwardNumbers(feedForward, hidden, tokens, shared), `${i} feedForward`),
    ]),
    part(headNumbers(plan, tokens, training), ...(plan.tiedHead ? [] : ['lm_head.weight']), 'model.norm.weight'),
  ];
}

type Shared = Required<Pick<StepSize, 'ranks' | 'load'>>;

interface Part extends Numbers {
  /** Trained numbers, and those of the largest tensor among them. */
  readonly weights: number;
  readonly largestWeight: number;
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

function feedForwardNumbers(
  plan: DensePlan | MoePlan,
  hidden: number,
  tokens: number,
  { ranks, load }: Shared,
): Numbers {
  if (plan.kind === 'dense') return mlpNumbers(plan.width, hidden, tokens);
  const { topK, width, experts, expertLatentDim, router, sharedWidth } = plan;
  // Methods that may use all experts for a token have room for all.
  const own = tokens * (router.kind === 'remoe' || router.kind === 'dselectK' ? experts : topK);
  const rows = own * load;
  // Rows of other ranks pass as they are sent, as they arrive, and before they go back.
  const passing = ranks === 1 ? 0 : (own + 2 * rows) * (expertLatentDim ?? hidden);
  const routerKept = router.kind === 'latentPrototype' ? 2 * hidden + 12 * router.latentDim + 2 * experts : 2 * experts;
  // Dispatched inputs (latent experts have two), gate and up, their product, results; of latent experts also their sum.
  const outer = expertLatentDim === null ? 2 * hidden : 3 * expertLatentDim;
  const expertsKept = rows * (outer + 3 * width + 6) + tokens * (expertLatentDim ?? 0);
  const shared = mlpNumbers(sharedWidth, hidden, tokens);
  return {
    kept: tokens * routerKept + expertsKept + shared.kept,
    // Latent experts also make inputs before they are dispatched, and gate and up before they are joined.
    forward:
      shared.forward + passing + (expertLatentDim === null ? 0 : rows * 2 * width + tokens * 2 * expertLatentDim),
    // The gradients of the widest tensors, before the first of them is used up.
    backward: Math.max(
      passing + rows * ((expertLatentDim ?? hidden) + 3 * width) + tokens * 3 * hidden,
      shared.backward,
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

function headNumbers({ hidden, vocabulary }: DecoderPlan, tokens: number, training: boolean): Numbers {
  const chunk = Math.min(tokens, 256);
  return {
    // The head's gradient is computed in the forward pass.
    kept: training ? tokens * 3 * hidden + vocabulary * hidden : 0,
    forward: chunk * vocabulary + (training ? chunk * hidden : tokens * 2 * hidden),
    // It is scaled.
    backward: vocabulary * hidden,
  };
}
