/** The loss terms that several softmax routers add themselves, layer by layer. */
import type { Tensor } from '@lpr/tensor';
import type { BalanceStatistics, LossTerm, RouteContext } from '../router.ts';
import { layerLoadBalancing } from './load-balancing.ts';
import { zLoss } from './z-loss.ts';

export interface SoftmaxLossOptions {
  /** Of the Switch loss over this layer's tokens, 'loadBalancing'; 0: none. */
  readonly loadBalancingWeight: number;
  /** Of the z-loss of the logits, 'z'; 0: none. */
  readonly zLossWeight: number;
}

/** None in evaluation. `balance` is what the method's routing gives. */
export function softmaxLosses(
  { training, part }: RouteContext,
  { loadBalancingWeight, zLossWeight }: SoftmaxLossOptions,
  balance: BalanceStatistics,
  logits: Tensor,
): LossTerm[] {
  if (!training) return [];
  const losses: LossTerm[] = [];
  if (loadBalancingWeight > 0) {
    const value = layerLoadBalancing(balance, part?.statistics);
    losses.push({ name: 'loadBalancing', value, weight: loadBalancingWeight });
  }
  if (zLossWeight > 0) losses.push({ name: 'z', value: zLoss(logits), weight: zLossWeight });
  return losses;
}
