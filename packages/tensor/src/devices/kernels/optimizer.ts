/** The optimiser. */
import type { DeviceBuffer } from '../device.ts';

/** One tensor among several that a kernel treats alike. */
export interface Segment {
  readonly parameter: DeviceBuffer;
  readonly gradient: DeviceBuffer;
  readonly count: number;
  readonly weightDecay: number;
}

export interface AdamWSegment extends Segment {
  readonly firstMoment: DeviceBuffer;
  readonly secondMoment: DeviceBuffer;
}

/**
 * Both moments of an element are bfloat16 numbers in one word of a buffer of f32: the second in the high half, the
 * first in the low one.
 */
export interface PackedAdamWSegment extends Segment {
  readonly moments: DeviceBuffer;
  /** Number of its first element among those of all parameters: decides how moments are rounded. */
  readonly start: number;
}

/** What a step does to all segments. */
export interface AdamWStep {
  readonly gradientScale: DeviceBuffer | null;
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Counted from 1. */
  readonly step: number;
}

export interface OptimizerKernels {
  /**
   * Decoupled weight decay, then Adam, over all segments in one pass: `g = gradient * gradientScale[0]` (1 when null);
   * `p *= 1 - lr * wd`; `m = b1 m + (1-b1) g`; `v = b2 v + (1-b2) g^2`; `p -= lr * (m / c1) / (sqrt(v / c2) +
   * epsilon)`, `c = 1 - b^step`.
   */
  adamW(a: AdamWStep & { segments: readonly AdamWSegment[] }): void;

  /**
   * The same with moments that are rounded to bfloat16 once the parameter was changed, up or down by chance so that
   * they are right in the mean: element i of all takes the random bits of `roundingBits(i, key)`
   * (../../packed-moments.ts).
   */
  adamWPacked(a: AdamWStep & { segments: readonly PackedAdamWSegment[]; key: number }): void;
}
