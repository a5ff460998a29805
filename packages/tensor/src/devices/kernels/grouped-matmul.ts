/** Matrix products of groups of rows. */
import type { DeviceBuffer } from '../device.ts';

export interface GroupedMatmulKernels {
  /**
   * A matrix a group: rows `offsets[g] .. offsets[g+1]` of x `[rows, k]` times `weights[g]`, to out `[rows, n]`.
   * weights is `[groups, k, n]`, or `[groups, n, k]` with transposeWeights. offsets is i32 `[groups + 1]` on the
   * device: the host does not know the sizes. Rows from `offsets[groups]` on belong to no group: they may be left as
   * they are or get any product.
   */
  groupedMatmul(a: {
    x: DeviceBuffer;
    weights: DeviceBuffer;
    offsets: DeviceBuffer;
    out: DeviceBuffer;
    groups: number;
    rows: number;
    n: number;
    k: number;
    transposeWeights: boolean;
  }): void;
  /**
   * `out[g] = a_g^T b_g` over the group's rows: a `[rows, m]`, b `[rows, n]`, out `[groups, m, n]`; zero for an empty
   * group.
   */
  groupedMatmulTransposed(a: {
    a: DeviceBuffer;
    b: DeviceBuffer;
    offsets: DeviceBuffer;
    out: DeviceBuffer;
    groups: number;
    rows: number;
    m: number;
    n: number;
  }): void;
}
