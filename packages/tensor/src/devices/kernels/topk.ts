/** Selection along rows. */
import type { DeviceBuffer } from '../device.ts';

export interface TopKKernels {
  /**
   * The k largest of each row of x `[rows, columns]`, descending, the lowest index first among equals (NaN counts as
   * the largest): values `[rows, k]`, indices i32 `[rows, k]`.
   */
  topK(a: {
    x: DeviceBuffer;
    values: DeviceBuffer;
    indices: DeviceBuffer;
    rows: number;
    columns: number;
    k: number;
  }): void;
  /** `out[row, j] = x[row, indices[row, j]]`; x `[rows, columns]`, indices i32 `[rows, k]`. */
  takeAlongRows(a: {
    x: DeviceBuffer;
    indices: DeviceBuffer;
    out: DeviceBuffer;
    rows: number;
    columns: number;
    k: number;
  }): void;
  /**
   * out `[rows, columns]` = `fill` but `out[row, indices[row, j]] = x[row, j]`; indices of a row are distinct. With
   * `accumulate` they need not be: every `x[row, j]` is added to what stands there, in the order of j.
   */
  scatterAlongRows(a: {
    x: DeviceBuffer;
    indices: DeviceBuffer;
    out: DeviceBuffer;
    fill: number;
    accumulate: boolean;
    rows: number;
    columns: number;
    k: number;
  }): void;
}
