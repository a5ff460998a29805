/** The gated linear unit. */
import type { DeviceBuffer } from '../device.ts';

export interface SwiGluKernels {
  /** `out = silu(gate) * up`; x `[rows, 2 width]` holds gate, then up; out `[rows, width]`. */
  swiGlu(a: { x: DeviceBuffer; out: DeviceBuffer; rows: number; width: number }): void;
  /** Its vector-Jacobian product. */
  swiGluBackward(a: {
    x: DeviceBuffer;
    gradient: DeviceBuffer;
    gradX: DeviceBuffer;
    rows: number;
    width: number;
  }): void;
}
