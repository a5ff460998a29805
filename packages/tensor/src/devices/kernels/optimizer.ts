/** The optimiser. */
import type { DeviceBuffer } from '../device.ts';

/** One tensor among several that a kernel treats alike. */
export interface AdamWSegment {
  readonly parameter: DeviceBuffer;
  readonly gradient: DeviceBuffer;
  readonly firstMoment: DeviceBuffer;
  readonly secondMoment: DeviceBuffer;
  readonly count: number;
  readonly weightDecay: number;
}

export interface OptimizerKernels {
  /**
   * Decoupled weight decay, then Adam, over all segments in one pass: `g = gradient * gradientScale[0]` (1 when null);
   * `p *= 1 - lr * wd`; `m = b1 m + (1-b1) g`; `v = b2 v + (1-b2) g^2`; `p -= lr * (m / c1) / (sqrt(v / c2) +
   * epsilon)`, `c = 1 - b^step`.
   */
  adamW(a: {
    segments: readonly AdamWSegment[];
    gradientScale: DeviceBuffer | null;
    learningRate: number;
    beta1: number;
    beta2: number;
    epsilon: number;
    /** Counted from 1. */
    step: number;
  }): void;
}
