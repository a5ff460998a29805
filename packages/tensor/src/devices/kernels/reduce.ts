/** Reductions. */
import type { DeviceBuffer } from '../device.ts';

/** What a reduction makes of the elements along an axis. */
export type ReduceOp = 'sum' | 'max' | 'min';

export interface ReduceKernels {
  /**
   * x `[outer, length, inner]` to out `[outer, inner]`. Sums are pairwise or in lanes, so that large ones stay
   * accurate.
   */
  reduce(a: { op: ReduceOp; x: DeviceBuffer; out: DeviceBuffer; outer: number; length: number; inner: number }): void;
  /** `out[0] = sum of the squares of all elements of all xs`. */
  sumOfSquares(a: { xs: readonly { x: DeviceBuffer; count: number }[]; out: DeviceBuffer }): void;
}
