/** The matrix product. */
import type { DeviceBuffer } from '../device.ts';

export interface MatmulKernels {
  /**
   * `out[b] (+)= op(a[b]) op(b[b])`, out `[batch, m, n]`. a is stored `[m, k]`, or `[k, m]` with transposeA; b is `[k,
   * n]`, or `[n, k]` with transposeB. A batch stride (in elements) of 0 uses one matrix for all. With `accumulate`,
   * adds to out.
   */
  matmul(a: {
    a: DeviceBuffer;
    b: DeviceBuffer;
    out: DeviceBuffer;
    batch: number;
    m: number;
    n: number;
    k: number;
    transposeA: boolean;
    transposeB: boolean;
    aBatchStride: number;
    bBatchStride: number;
    accumulate: boolean;
  }): void;
}
