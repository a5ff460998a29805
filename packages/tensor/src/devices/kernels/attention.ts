/** Attention. */
import type { DeviceBuffer } from '../device.ts';

/** What attention and its backward read, or attention writes. */
export interface AttentionArguments {
  readonly q: DeviceBuffer;
  readonly k: DeviceBuffer;
  readonly v: DeviceBuffer;
  readonly out: DeviceBuffer;
  readonly logSumExp: DeviceBuffer;
  readonly batch: number;
  readonly sequence: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headDim: number;
  readonly valueDim: number;
  readonly scale: number;
}

export interface AttentionKernels {
  /**
   * Causal grouped-query attention. q `[batch, sequence, heads, headDim]`, k `[batch, sequence, keyHeads, headDim]`, v
   * `[.., keyHeads, valueDim]`, out `[batch, sequence, heads, valueDim]`, logSumExp `[batch, heads, sequence]` of the
   * scaled scores. Query head h reads key head `floor(h * keyHeads / heads)`.
   */
  attention(a: AttentionArguments): void;
  /** Its vector-Jacobian product, for what `attention` was given and gave. */
  attentionBackward(
    a: AttentionArguments & {
      gradient: DeviceBuffer;
      gradQ: DeviceBuffer;
      gradK: DeviceBuffer;
      gradV: DeviceBuffer;
    },
  ): void;
}
