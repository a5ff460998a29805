/** Norms of rows. */
import type { DeviceBuffer } from '../device.ts';

export interface NormKernels {
  /** `out = weight * x * inverseRms`, `inverseRms[row] = 1 / sqrt(mean(x^2) + epsilon)`; x `[rows, columns]`. */
  rmsNorm(a: {
    x: DeviceBuffer;
    weight: DeviceBuffer;
    out: DeviceBuffer;
    inverseRms: DeviceBuffer;
    rows: number;
    columns: number;
    epsilon: number;
  }): void;
  /** Its vector-Jacobian product. */
  rmsNormBackward(a: {
    x: DeviceBuffer;
    weight: DeviceBuffer;
    inverseRms: DeviceBuffer;
    gradient: DeviceBuffer;
    gradX: DeviceBuffer;
    gradWeight: DeviceBuffer;
    rows: number;
    columns: number;
  }): void;
  /** `out = weight * (x - mean) * inverseStd + bias`, variance with 1/columns. */
  layerNorm(a: {
    x: DeviceBuffer;
    weight: DeviceBuffer;
    bias: DeviceBuffer;
    out: DeviceBuffer;
    mean: DeviceBuffer;
    inverseStd: DeviceBuffer;
    rows: number;
    columns: number;
    epsilon: number;
  }): void;
  /** Its vector-Jacobian product. */
  layerNormBackward(a: {
    x: DeviceBuffer;
    weight: DeviceBuffer;
    mean: DeviceBuffer;
    inverseStd: DeviceBuffer;
    gradient: DeviceBuffer;
    gradX: DeviceBuffer;
    gradWeight: DeviceBuffer;
    gradBias: DeviceBuffer;
    rows: number;
    columns: number;
  }): void;
}
