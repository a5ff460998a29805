/** The arithmetic of an optimiser step, fused over all parameters. No gradients flow through it. */
import type { Device } from '../devices/device.ts';
import { formatShape, sameShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

/** One parameter of an AdamW step, with its gradient and moments: all f32 of one shape. */
export interface AdamWSlot {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly firstMoment: Tensor;
  readonly secondMoment: Tensor;
  readonly weightDecay: number;
}

/** What an AdamW step does to all of its parameters. */
export interface AdamWSettings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  /** Added outside the root. */
  readonly epsilon: number;
  /** Number of this step, from 1: for the bias correction. */
  readonly step: number;
  /** Scalar on the device that multiplies every gradient: clipping. */
  readonly gradientScale?: Tensor;
}

/**
 * One AdamW step (Loshchilov and Hutter 2019) on all slots in place: `p *= 1 - lr * decay`, then `p -= lr * mHat /
 * (sqrt(vHat) + epsilon)`.
 */
export function adamWStep(device: Device, slots: readonly AdamWSlot[], settings: AdamWSettings): void {
  for (const { parameter, gradient, firstMoment, secondMoment } of slots) {
    for (const x of [gradient, firstMoment, secondMoment]) {
      if (!sameShape(x.shape, parameter.shape)) {
        throw new RangeError(
          `adamWStep: parameter ${formatShape(parameter.shape)} with a gradient or moment of ${formatShape(x.shape)}`,
        );
      }
    }
  }
  const { gradientScale, ...rest } = settings;
  device.kernels.adamW({
    segments: slots.map(({ parameter, gradient, firstMoment, secondMoment, weightDecay }) => ({
      parameter: parameter.buffer,
      gradient: gradient.buffer,
      firstMoment: firstMoment.buffer,
      secondMoment: secondMoment.buffer,
      count: parameter.size,
      weightDecay,
    })),
    gradientScale: gradientScale?.buffer ?? null,
    ...rest,
  });
  for (const slot of slots) {
    for (const changed of [slot.parameter, slot.firstMoment, slot.secondMoment]) changed.markChanged();
  }
}
