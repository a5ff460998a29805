/** Capacity: an expert takes at most so many tokens of a batch, and further ones are dropped. */
import { cast, embedding, greater, permute, reshape, segmentPlan, slice, subtract, type Tensor } from '@lpr/tensor';
import { withoutGradients } from '@lpr/tensor/nn';
import { checkExact, emptySlotsWhere } from './choices.ts';

/**
 * Places of an expert: `ceil(factor k N / M)`. Of the factor as it is written: 1.1 is a little more in binary, and the
 * ceiling of 1.1 x 100 / 10 is 11 all the same.
 */
export function capacityOf(factor: number, tokens: number, k: number, experts: number): number {
  return Math.ceil(Number(((factor * k * tokens) / experts).toPrecision(12)));
}

/**
 * Choices i32 `[tokens, k]` (M: none) with M, none, in place of those for which the expert has no place left. First
 * come all tokens' first choices in the order of the tokens, then the second ones, as in GShard (Lepikhin et al. 2020,
 * arXiv 2006.16668, algorithm 1).
 */
export function limitCapacity(experts: Tensor, count: number, capacity: number): Tensor {
  const [tokens = 0, k = 0] = experts.shape;
  checkExact('limitCapacity', experts.size);
  return withoutGradients(experts.device, () => {
    const inTurn = permute(experts, [1, 0]);
    const { inverse, offsets } = segmentPlan(inTurn, count + 1);
    const starts = reshape(cast(slice(offsets, 0, 0, count + 1), 'f32'), [count + 1, 1]);
    const place = subtract(reshape(cast(inverse, 'f32'), [k, tokens]), reshape(embedding(starts, inTurn), [k, tokens]));
    const full = permute(greater(place, capacity - 1), [1, 0]);
    return emptySlotsWhere(full, experts, count);
  });
}
