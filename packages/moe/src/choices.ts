/**
 * How a batch's choices become a plan for dispatch. Every method fills `[tokens, slots]` with experts. A slot may stay
 * empty (a dropped token, a null expert, an expert that is switched off): it then holds M, one past the last expert,
 * its weight is 0, and it is no load.
 */
import {
  add,
  affine,
  cast,
  full,
  greater,
  minimum,
  multiply,
  reshape,
  segmentPlan,
  type SegmentPlan,
  slice,
  sum,
  takeAlongRows,
  type Tensor,
  topK,
} from '@lpr/tensor';
import { withoutGradients } from '@lpr/tensor/nn';

export interface Choices {
  /** i32 `[tokens, slots]`. */
  readonly experts: Tensor;
  readonly plan: SegmentPlan;
  /** i32 `[M]`. */
  readonly counts: Tensor;
}

/** Choices whose slots all hold an expert. */
export function fullChoices(experts: Tensor, count: number): Choices {
  const plan = segmentPlan(experts, count);
  return { experts, plan, counts: plan.counts };
}

/**
 * Choices of which some are M, none. They sort behind all others, where no expert's matrix reaches them. When the
 * caller knows that at most `most` slots are filled, the plan ends one place after these, at which all empty slots
 * meet: experts then never see the others, whatever the number of slots.
 */
export function partialChoices(experts: Tensor, count: number, most: number = experts.size): Choices {
  return withoutGradients(experts.device, () => {
    checkExact('partialChoices', experts.size);
    const whole = segmentPlan(experts, count + 1);
    const counts = slice(whole.counts, 0, 0, count);
    if (most >= experts.size) return { experts, plan: whole, counts };
    const plan = {
      ...whole,
      order: slice(whole.order, 0, 0, most + 1),
      inverse: cast(minimum(cast(whole.inverse, 'f32'), most), 'i32'),
      count: most + 1,
    };
    return { experts, plan, counts };
  });
}

/** Throws for more slots than f32 counts exactly: places and counts pass through it. */
export function checkExact(name: string, slots: number): void {
  if (slots < 2 ** 24) return;
  throw new RangeError(
    `${name}: ${slots} slots (tokens x slots a token) are too many, at most ${2 ** 24 - 1} work; make the batch smaller`,
  );
}

/** 1 where a slot holds an expert, 0 where it is empty; f32, of the shape of `experts`. */
export function filledSlots(experts: Tensor, count: number): Tensor {
  return withoutGradients(experts.device, () => minimum(affine(cast(experts, 'f32'), -1, count), 1));
}

/** Choices i32 with M, none, where `empty`, f32 of the same shape, is 1. */
export function emptySlotsWhere(empty: Tensor, experts: Tensor, count: number): Tensor {
  return withoutGradients(experts.device, () => {
    const numbers = cast(experts, 'f32');
    return cast(add(numbers, multiply(empty, affine(numbers, -1, count))), 'i32');
  });
}

/** i32 `[1]`: how many of some slots hold no expert. */
export function countEmpty(experts: Tensor, count: number): Tensor {
  return withoutGradients(experts.device, () =>
    reshape(cast(affine(sum(filledSlots(experts, count)), -1, experts.size), 'i32'), [1]),
  );
}

/**
 * Weights of at least 0, `[tokens, M]`, and which of them are chosen (1 or 0) as slots: the chosen experts of each
 * token by descending weight, as far as there are slots, then empty ones.
 */
export function compactChoices(
  dense: Tensor,
  chosen: Tensor,
  slots: number,
): { readonly experts: Tensor; readonly weights: Tensor } {
  const { experts, filled, indices } = withoutGradients(dense.device, () => {
    // A weight of 0 can be chosen too, so what is not chosen ranks below 0.
    const { values, indices } = topK(add(multiply(dense, chosen), affine(chosen, 1, -1)), slots);
    const empty = greater(full(dense.device, [], 0), values);
    return {
      experts: emptySlotsWhere(empty, indices, dense.shape[1]!),
      filled: affine(empty, -1, 1),
      indices,
    };
  });
  return { experts, weights: multiply(takeAlongRows(dense, indices), filled) };
}
