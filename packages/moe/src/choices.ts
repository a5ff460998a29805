/**
 * How a batch's choices become a plan for dispatch. Every method fills `[tokens, slots]` with experts. A slot may stay empty (a dropped token, a null
 * expert, an expert that is switched off): it then holds M, one past the last expert, its weight is 0, and it is no load.
 */
import { affine, cast, minimum, segmentPlan, type SegmentPlan, slice, type Tensor } from '@lpr/tensor';
import { withoutGradients } from './graph.ts';

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
 * Choices of which some are M, none. They sort behind all others, where no expert's matrix reaches them. When the caller knows that at most `most` slots
 * are filled, the plan ends one place after these, at which all empty slots meet: experts then never see the others, whatever the number of slots.
 */
export function partialChoices(experts: Tensor, count: number, most: number = experts.size): Choices {
  return withoutGradients(experts.device, () => {
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

/** i32 `[1]`: how many slots hold no expert. */
export function emptySlots({ plan }: Choices): Tensor {
  return slice(plan.counts, 0, plan.segments - 1, plan.segments);
}

/** 1 where a slot holds an expert, 0 where it is empty; f32, of the shape of `experts`. */
export function filledSlots(experts: Tensor, count: number): Tensor {
  return withoutGradients(experts.device, () => minimum(affine(cast(experts, 'f32'), -1, count), 1));
}
