/** The loss that a step goes down: the task's and what routers add to it. */
import { add, affine, type Tensor } from '@lpr/tensor';
import type { LossTerm } from '../router.ts';

/**
 * `taskLoss + sum of weight * value`, a scalar. Terms of one weight are added up first, so that a weight costs one
 * kernel however many layers there are.
 */
export function totalLoss(taskLoss: Tensor, losses: readonly LossTerm[]): Tensor {
  const byWeight = new Map<number, Tensor>();
  for (const { value, weight } of losses) {
    if (weight === 0) continue;
    const sum = byWeight.get(weight);
    byWeight.set(weight, sum === undefined ? value : add(sum, value));
  }
  return [...byWeight].reduce((total, [weight, sum]) => add(total, affine(sum, weight)), taskLoss);
}
