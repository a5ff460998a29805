/** The arithmetic of an optimiser step, fused over all parameters. No gradients flow through it. */
import type { Device } from '../devices/device.ts';
import type { AdamWStep, Segment } from '../devices/kernels/optimizer.ts';
import { roundingKey } from '../packed-moments.ts';
import { formatShape, sameShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

interface Slot {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly weightDecay: number;
}

/** One parameter of an AdamW step, with its gradient and moments: all f32 of one shape. */
export interface AdamWSlot extends Slot {
  readonly firstMoment: Tensor;
  readonly secondMoment: Tensor;
}

/** The same with both moments as bfloat16 numbers in one tensor: `unpackMoments` gives them. */
export interface PackedAdamWSlot extends Slot {
  readonly moments: Tensor;
  /** Number of its first element among those of all parameters: decides how moments are rounded. */
  readonly start: number;
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
  for (const slot of slots) checkShapes('adamWStep', slot, [slot.firstMoment, slot.secondMoment]);
  device.kernels.adamW({
    segments: slots.map((slot) => ({
      ...segmentOf(slot),
      firstMoment: slot.firstMoment.buffer,
      secondMoment: slot.secondMoment.buffer,
    })),
    ...ofKernel(settings),
  });
  for (const slot of slots) {
    for (const changed of [slot.parameter, slot.firstMoment, slot.secondMoment]) changed.markChanged();
  }
}

/**
 * The same with moments that are rounded to bfloat16 after the step, up or down by chance so that they are right in the
 * mean. The chance is a function of the step and of the element's number alone.
 *
 * @throws Error on a GPU device without WebGPU
 */
export function adamWPackedStep(device: Device, slots: readonly PackedAdamWSlot[], settings: AdamWSettings): void {
  for (const slot of slots) checkShapes('adamWPackedStep', slot, [slot.moments]);
  device.kernels.adamWPacked({
    segments: slots.map((slot) => ({ ...segmentOf(slot), moments: slot.moments.buffer, start: slot.start })),
    key: roundingKey(settings.step),
    ...ofKernel(settings),
  });
  for (const { parameter, moments } of slots) {
    parameter.markChanged();
    moments.markChanged();
  }
}

function checkShapes(op: string, { parameter, gradient }: Slot, moments: readonly Tensor[]): void {
  for (const x of [gradient, ...moments]) {
    if (sameShape(x.shape, parameter.shape)) continue;
    throw new RangeError(
      `${op}: parameter ${formatShape(parameter.shape)} with a gradient or moment of ${formatShape(x.shape)}`,
    );
  }
}

function segmentOf({ parameter, gradient, weightDecay }: Slot): Segment {
  return { parameter: parameter.buffer, gradient: gradient.buffer, count: parameter.size, weightDecay };
}

function ofKernel({ gradientScale, ...settings }: AdamWSettings): AdamWStep {
  return { ...settings, gradientScale: gradientScale?.buffer ?? null };
}
