/**
 * The auxiliary load-balancing loss (Fedus et al. 2021, Switch Transformer, arXiv 2101.03961, equation 4): `M sum_e f_e
 * P_e`, where f_e is the fraction of tokens that chose expert e and P_e the mean probability of e. As in Hugging Face
 * transformers there is no factor 1/k, so a uniform router scores k.
 */
import {
  add,
  affine,
  cast,
  multiply,
  reshape,
  segmentPlan,
  softmax,
  sum,
  tensor,
  type Tensor,
  topK,
} from '@lpr/tensor';
import { withoutGradients } from '@lpr/tensor/nn';
import type { BalanceStatistics, Routing } from '../router.ts';
import type { RoutingStatistics } from '../statistics.ts';

/**
 * Over what f and P are averaged before the product. 'pooled': all tokens of all layers, as Hugging Face does;
 * imbalances of different layers can cancel. 'layer': a loss for each layer. 'sequence': in each layer one for each
 * sequence, averaged. 'globalBatch': as 'layer', and always over the whole batch of the step (Qiu et al. 2025, arXiv
 * 2501.11873), whereas the others may do with the micro-batch at hand.
 */
export type LoadBalancingScope = 'pooled' | 'layer' | 'sequence' | 'globalBatch';

export interface LoadBalancingContext {
  /** For 'sequence': tokens of a sequence; the batch is sequences one after the other. */
  readonly sequence?: number;
  /**
   * Where the routings are a part of a batch: the statistics of the whole, of each layer, with sums `auxiliary` as
   * `auxiliaryCounts` gives them.
   */
  readonly whole?: readonly RoutingStatistics[];
}

/** The name that `auxiliaryCounts` have among the sums of statistics. */
export const AUXILIARY = 'auxiliary';

/**
 * The loss of each layer, or one for all, as scalars. All routings have equally many tokens and experts; gradients flow
 * through the probabilities, not through the counts. Of a part of a batch, these are estimates of the losses of the
 * whole; their means over parts are exact. Throws when a router gives neither balance statistics nor logits.
 */
export function loadBalancingLosses(
  routings: readonly Routing[],
  scope: LoadBalancingScope,
  { sequence, whole }: LoadBalancingContext = {},
): Tensor[] {
  const layers = routings.map(balanceOf);
  if (layers.length === 0) return [];
  if (scope === 'sequence') {
    if (sequence === undefined) throw new Error("loadBalancingLosses: scope 'sequence' needs context.sequence");
    return layers.map((layer) => sequenceLoadBalancing(layer, sequence));
  }
  if (whole !== undefined && whole.length !== layers.length) {
    throw new Error(`loadBalancingLosses: context.whole must be of ${layers.length} layers, got ${whole.length}`);
  }
  const loads = layers.map((layer, i) => (whole === undefined ? loadOf(layer) : wholeLoad(whole[i]!, AUXILIARY)));
  if (scope !== 'pooled') return layers.map(({ probabilities }, i) => productOfMeans(loads[i]!, probabilities));
  const total = (tensors: readonly Tensor[]): Tensor => tensors.reduce((a, b) => add(a, b));
  const counts = withoutGradients(layers[0]!.counts.device, () => total(loads.map((load) => load.counts)));
  const mass = total(layers.map(({ probabilities }) => sum(probabilities, 0)));
  const tokens = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0);
  const [all, own] = [tokens(loads.map((load) => load.tokens)), tokens(layers.map((layer) => layer.choices.shape[0]!))];
  return [affine(sum(multiply(counts, mass)), counts.size / (all * own))];
}

/**
 * f32 `[M]`: the choices that the loss counts as load. Throws when a router gives neither balance statistics nor
 * logits.
 */
export function auxiliaryCounts(routing: Routing): Tensor {
  return loadOf(balanceOf(routing)).counts;
}

/** Choices of each expert f32 `[M]`, and the tokens that made them. */
interface Load {
  readonly counts: Tensor;
  readonly tokens: number;
}

function loadOf({ choices, counts }: BalanceStatistics): Load {
  return { counts: withoutGradients(counts.device, () => cast(counts, 'f32')), tokens: choices.shape[0]! };
}

function wholeLoad({ tokens, sums }: RoutingStatistics, name: string): Load {
  const counts = sums[name];
  if (counts === undefined) throw new Error(`loadBalancing: the statistics of the whole batch have no sums "${name}"`);
  return { counts, tokens };
}

/**
 * The loss over one layer's tokens; `whole`: statistics of the batch that they are part of, with the sums `balance`.
 */
export function layerLoadBalancing(balance: BalanceStatistics, whole?: RoutingStatistics): Tensor {
  return productOfMeans(whole === undefined ? loadOf(balance) : wholeLoad(whole, 'balance'), balance.probabilities);
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

/** `M sum_e f_e P_e`, f of the load and P of the probabilities `[tokens, M]`. */
function productOfMeans(load: Load, probabilities: Tensor): Tensor {
  const [tokens = 0, experts = 0] = probabilities.shape;
  const scale = experts / (tokens * load.tokens);
  return affine(sum(multiply(load.counts, sum(probabilities, 0))), scale);
}

/** What the loss reads of a routing; of logits alone, as in Hugging Face, their softmax and its k largest. */
function balanceOf({ balance, logits, experts }: Routing, layer = 0): BalanceStatistics {
  if (balance !== undefined) return balance;
  if (logits === undefined) throw new Error(`loadBalancingLosses: the router of layer ${layer} gives no probabilities`);
  const choices = withoutGradients(logits.device, () => topK(logits, experts.shape[1]!).indices);
  return { probabilities: softmax(logits), choices, counts: segmentPlan(choices, logits.shape[1]!).counts };
}
