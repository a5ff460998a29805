/** Kernels that move data, f32 and i32 alike. */
import type { DeviceBuffer } from '../device.ts';

export interface MovementKernels {
  /**
   * Copies between two strided boxes of the same `shape` (at most 6 axes): permutations, slices, concatenation,
   * stretching. Elements of `out` outside the box keep their value.
   */
  stridedCopy(a: {
    x: DeviceBuffer;
    xOffset: number;
    xStrides: readonly number[];
    out: DeviceBuffer;
    outOffset: number;
    outStrides: readonly number[];
    shape: readonly number[];
  }): void;
}
