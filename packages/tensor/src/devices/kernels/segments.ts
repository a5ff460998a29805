/** Sorting into segments, and sums over their rows. */
import type { DeviceBuffer } from '../device.ts';

export interface SegmentKernels {
  /**
   * Stable counting sort of keys i32 `[count]` in `[0, segments)`: counts i32 `[segments]`, offsets i32 `[segments +
   * 1]`, order i32 `[count]` (order[p] = index of the key at sorted place p), inverse i32 `[count]` (inverse[order[p]]
   * = p).
   */
  segmentPlan(a: {
    keys: DeviceBuffer;
    counts: DeviceBuffer;
    offsets: DeviceBuffer;
    order: DeviceBuffer;
    inverse: DeviceBuffer;
    count: number;
    segments: number;
  }): void;
  /**
   * `out[s] = sum over p in [offsets[s], offsets[s+1]) of x[floor(order[p] / divisor)]`; x `[height, columns]`, out
   * `[segments, columns]`.
   */
  segmentSum(a: {
    x: DeviceBuffer;
    height: number;
    order: DeviceBuffer;
    offsets: DeviceBuffer;
    divisor: number;
    out: DeviceBuffer;
    segments: number;
    columns: number;
  }): void;
}
