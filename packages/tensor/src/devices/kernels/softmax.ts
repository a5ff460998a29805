/** Softmax, and the logarithm of the sum of exponentials. */
import type { DeviceBuffer } from '../device.ts';

export interface SoftmaxKernels {
  /** Over the last axis, stable; a row of minus infinities gives NaN as IEEE says. */
  softmax(a: { x: DeviceBuffer; out: DeviceBuffer; rows: number; columns: number }): void;
  /** `out = y * (gradient - sum(gradient * y))`. */
  softmaxBackward(a: {
    y: DeviceBuffer;
    gradient: DeviceBuffer;
    out: DeviceBuffer;
    rows: number;
    columns: number;
  }): void;
  /** `out[row] = log(sum(exp(x[row])))`, stable; infinite where the largest element is. */
  logSumExp(a: { x: DeviceBuffer; out: DeviceBuffer; rows: number; columns: number }): void;
}
