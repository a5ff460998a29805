/** Rotary position embedding. */
import type { DeviceBuffer } from '../device.ts';

export interface RopeKernels {
  /**
   * Rotary position embedding of x `[batch, sequence, heads, headDim]` with cos, sin `[at least offset + sequence,
   * headDim/2]`; position is the index in the sequence plus `offset`. Half rotation pairs channel i with i + headDim/2;
   * `interleaved` pairs 2i with 2i + 1 and, as Hugging Face does, writes the result in half order. `inverse` is the
   * transpose (the backward): for interleaved it reads half order and writes pairs.
   */
  rope(a: {
    x: DeviceBuffer;
    cos: DeviceBuffer;
    sin: DeviceBuffer;
    out: DeviceBuffer;
    batch: number;
    sequence: number;
    heads: number;
    headDim: number;
    offset: number;
    interleaved: boolean;
    inverse: boolean;
  }): void;
}
