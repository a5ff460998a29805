/** Gathers of rows by index. */
import type { DeviceBuffer } from '../device.ts';

export interface GatherKernels {
  /**
   * `out[i] = table[floor(indices[i] / divisor)]`, rows of `columns`; indices i32 `[rows]`. With `weights`, times
   * `weights[indices[i]]`. table has `height` rows.
   */
  gatherRows(a: {
    table: DeviceBuffer;
    height: number;
    indices: DeviceBuffer;
    divisor: number;
    weights: DeviceBuffer | null;
    out: DeviceBuffer;
    rows: number;
    columns: number;
  }): void;
  /**
   * `out[t] = sum_j x[positions[t, j]]`, with `weights` `[rows, k]` times `weights[t, j]`; x `[height, columns]`,
   * positions i32 `[rows, k]`, out `[rows, columns]`.
   */
  gatherSum(a: {
    x: DeviceBuffer;
    height: number;
    positions: DeviceBuffer;
    weights: DeviceBuffer | null;
    out: DeviceBuffer;
    rows: number;
    k: number;
    columns: number;
  }): void;
  /** `out[t, j] = dot(a[t], x[positions[t, j]])`; a `[rows, columns]`, x `[height, columns]`, out `[rows, k]`. */
  gatherDot(a: {
    a: DeviceBuffer;
    x: DeviceBuffer;
    height: number;
    positions: DeviceBuffer;
    out: DeviceBuffer;
    rows: number;
    k: number;
    columns: number;
  }): void;
}
