/** Random numbers. */
import type { DeviceBuffer } from '../device.ts';

export interface RandomKernels {
  /**
   * Philox4x32-10 (Salmon et al. 2011) with the 64-bit key `[keyLow, keyHigh]`: block b of the counter gives outputs 4b
   * .. 4b+3, counter = (b, 0, 0, 0). uniform: `(u >>> 8) * 2^-24`, in [0, 1). normal: Box-Muller on the pairs (0, 1),
   * (2, 3) of a block: `sqrt(-2 ln(((u0 >>> 8) + 1) * 2^-24)) * {cos, sin}(2 pi (u1 >>> 8) * 2^-24)`.
   */
  random(a: {
    out: DeviceBuffer;
    distribution: 'uniform' | 'normal';
    count: number;
    keyLow: number;
    keyHigh: number;
  }): void;
}
