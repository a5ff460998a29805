/**
 * The auxiliary load-balancing loss (Fedus et al. 2021, Switch Transformer, arXiv 2101.03961, equation 4): `M sum_e f_e P_e`, where f_e is the fraction of tokens that
 * chose expert e and P_e the mean probability of e. As in Hugging Face transformers there is no factor 1/k, so a uniform router scores k.
 */
import {
  add,
  affine,
  cast,
  divide,
  multiply,
  reshape,
  segmentPlan,
  softmax,
  sum,
  tensor,
  type Tensor,
  topK,
} from '@lpr/tensor';
import { withoutGradients } from '../graph.ts';
import type { BalanceStatistics, Routing } from '../router.ts';

/**
 * Over what f and P are averaged before the product. 'pooled': all tokens of all layers, as Hugging Face does; imbalances of different layers can cancel.
 * 'layer': a loss for each layer. 'sequence': in each layer one for each sequence, averaged. 'globalBatch': in each layer f over all micro-batches of the
 * step (Qiu et al. 2025, arXiv 2501.11873), so that a micro-batch need not be balanced in itself.
 */
export type LoadBalancingScope = 'pooled' | 'layer' | 'sequence' | 'globalBatch';

export interface LoadBalancingContext {
  /** For 'sequence': tokens of a sequence; the batch is sequences one after the other. */
  readonly sequence?: number;
  /**
   * For 'globalBatch': what each layer's f is taken from, i32 `[M]`: the choices of all micro-batches of the step, for gradients that do not depend on how
   * the batch was split, or of those so far including this one.
   */
  readonly stepCounts?: readonly Tensor[];
}

/**
 * The loss of each layer, or one for all, as scalars. All routings have equally many tokens and experts; gradients flow through the
 * probabilities, not through the counts. Throws when a router gives neither balance statistics nor logits.
 */
export function loadBalancingLosses(
  routings: readonly Routing[],
  scope: LoadBalancingScope,
  context: LoadBalancingContext = {},
): Tensor[] {
  const layers = routings.map((routing, layer) => {
    const balance = balanceOf(routing);
    if (balance === null) {
      throw new Error(`loadBalancingLosses: the router of layer ${layer} gives no probabilities`);
    }
    return balance;
  });
  if (layers.length === 0) return [];
  if (scope === 'layer') return layers.map(layerLoadBalancing);
  if (scope === 'sequence') {
    const { sequence } = context;
    if (sequence === undefined) throw new Error("loadBalancingLosses: scope 'sequence' needs context.sequence");
    return layers.map((layer) => sequenceLoadBalancing(layer, sequence));
  }
  if (scope === 'globalBatch') {
    const { stepCounts } = context;
    if (stepCounts?.length !== layers.length) {
      throw new Error(
        `loadBalancingLosses: scope 'globalBatch' needs context.stepCounts of ${layers.length} layers, got ${stepCounts?.length ?? 'none'}`,
      );
    }
    return layers.map((layer, i) => {
      const { probabilities, choices } = layer;
      const fractions = withoutGradients(probabilities.device, () => {
        const counts = cast(stepCounts[i]!, 'f32');
        return affine(divide(counts, sum(counts)), choices.shape[1]!);
      });
      return productOfMeans(fractions, probabilities);
    });
  }
  const total = (of: (layer: BalanceStatistics) => Tensor): Tensor => layers.map(of).reduce((a, b) => add(a, b));
  const tokens = layers.reduce((all, { probabilities }) => all + probabilities.shape[0]!, 0);
  const counts = withoutGradients(layers[0]!.counts.device, () => total((layer) => cast(layer.counts, 'f32')));
  const mass = total(({ probabilities }) => sum(probabilities, 0));
  return [affine(sum(multiply(counts, mass)), counts.size / tokens ** 2)];
}

/** The loss over one layer's tokens. */
export function layerLoadBalancing({ probabilities, choices, counts }: BalanceStatistics): Tensor {
  const fractions = withoutGradients(counts.device, () => affine(cast(counts, 'f32'), 1 / choices.shape[0]!));
  return productOfMeans(fractions, probabilities);
}

/** The mean over sequences of the loss over each one's tokens. `sequence` divides the number of tokens. */
export function sequenceLoadBalancing({ probabilities, choices }: BalanceStatistics, sequence: number): Tensor {
  const [tokens = 0, experts = 0] = probabilities.shape;
  const { device } = probabilities;
  const sequences = tokens / sequence;
  if (!Number.isInteger(sequences)) {
    throw new RangeError(`sequenceLoadBalancing: ${tokens} tokens are not a whole number of sequences of ${sequence}`);
  }
  const counts = withoutGradients(device, () => {
    const first = tensor(
      device,
      Float32Array.from({ length: sequences }, (_, i) => i * experts),
      [sequences, 1],
    );
    const own = reshape(cast(choices, 'f32'), [sequences, choices.size / sequences]);
    const { counts } = segmentPlan(cast(add(own, first), 'i32'), sequences * experts);
    return reshape(cast(counts, 'f32'), [sequences, experts]);
  });
  const mass = sum(reshape(probabilities, [sequences, sequence, experts]), 1);
  return affine(sum(multiply(counts, mass)), experts / (sequences * sequence ** 2));
}

/** f `[M]`, probabilities `[tokens, M]`. */
function productOfMeans(fractions: Tensor, probabilities: Tensor): Tensor {
  const [tokens = 0, experts = 0] = probabilities.shape;
  return affine(sum(multiply(fractions, sum(probabilities, 0))), experts / tokens);
}

/** What the loss reads of a routing; of logits alone, as in Hugging Face, their softmax and its k largest. */
function balanceOf({ balance, logits, experts }: Routing): BalanceStatistics | null {
  if (balance !== undefined) return balance;
  if (logits === undefined) return null;
  const choices = withoutGradients(logits.device, () => topK(logits, experts.shape[1]!).indices);
  return { probabilities: softmax(logits), choices, counts: segmentPlan(choices, logits.shape[1]!).counts };
}
