/**
 * The auxiliary load-balancing loss (Fedus et al. 2021, Switch Transformer, equation 4): `M sum_e f_e P_e`, where f_e is the fraction of tokens that
 * chose expert e and P_e the mean probability of e. As in Hugging Face transformers there is no factor 1/k, so a uniform router scores k.
 */
import { add, affine, cast, multiply, sum, type Tensor } from '@lpr/tensor';
import { withoutGradients } from '../graph.ts';
import type { Routing } from '../router.ts';

/**
 * 'pooled': f and P are averaged over all layers before the product, as Hugging Face does; imbalances of different layers can cancel.
 * 'layer': one loss for each layer.
 */
export type LoadBalancingScope = 'pooled' | 'layer';

/**
 * The loss of each layer, or one for all, as scalars. All routings have equally many tokens and experts; gradients flow through the
 * probabilities, not through the counts. Throws when a router gives no probabilities.
 */
export function loadBalancingLosses(routings: readonly Routing[], scope: LoadBalancingScope): Tensor[] {
  if (routings.length === 0) return [];
  const layers = routings.map(({ probabilities, plan }, layer) => {
    if (probabilities === undefined) {
      throw new Error(`loadBalancingLosses: the router of layer ${layer} gives no probabilities`);
    }
    const [tokens = 0, experts = 0] = probabilities.shape;
    const counts = withoutGradients(probabilities.device, () => cast(plan.counts, 'f32'));
    return { tokens, experts, counts, mass: sum(probabilities, 0) };
  });
  const { experts } = layers[0]!;
  const loss = (counts: Tensor, mass: Tensor, tokens: number): Tensor =>
    affine(sum(multiply(counts, mass)), experts / tokens ** 2);
  if (scope === 'layer') return layers.map(({ counts, mass, tokens }) => loss(counts, mass, tokens));
  const total = (of: 'counts' | 'mass'): Tensor => layers.map((layer) => layer[of]).reduce((a, b) => add(a, b));
  const tokens = layers.reduce((all, layer) => all + layer.tokens, 0);
  return [loss(total('counts'), total('mass'), tokens)];
}
