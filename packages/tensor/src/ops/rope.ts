/** Rotary position embedding. */
import { record } from '../autograd.ts';
import { tensor } from '../creation.ts';
import type { Device } from '../devices/device.ts';
import { formatShape } from '../shape.ts';
import { deviceOf, Tensor } from '../tensor.ts';
import { headsOf } from './rows.ts';

/** cos and sin of `position * theta^(-2 i / headDim)`: each `[positions, headDim / 2]`. */
export interface RotaryTables {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Tables for `rotary` (Su et al. 2021), computed in float64. headDim is even. */
export function rotaryTables(device: Device, positions: number, headDim: number, theta: number): RotaryTables {
  if (headDim % 2 !== 0) throw new RangeError(`rotaryTables: headDim must be even, got ${headDim}`);
  const half = headDim / 2;
  const angle = (i: number): number => Math.floor(i / half) * theta ** (-(i % half) / half);
  const values = (f: (x: number) => number): Float32Array =>
    Float32Array.from({ length: positions * half }, (_, i) => f(angle(i)));
  return {
    cos: tensor(device, values(Math.cos), [positions, half]),
    sin: tensor(device, values(Math.sin), [positions, half]),
  };
}

/** Which positions and pairs `rotary` turns. */
export interface RotaryOptions {
  /** Position of the first token (tokens already in a cache). */
  readonly offset?: number;
  /**
   * Rotate pairs of neighbours (2i, 2i + 1), written in half order as Hugging Face does, instead of (i, i + headDim/2).
   */
  readonly interleaved?: boolean;
}

/** Rotates x `[batch, sequence, heads, headDim]` by its positions. */
export function rotary(x: Tensor, tables: RotaryTables, options: RotaryOptions = {}): Tensor {
  const { offset = 0, interleaved = false } = options;
  const [batch, sequence, heads, headDim] = headsOf('rotary', 'x', x);
  const [positions, half] = tables.cos.shape;
  if (half! * 2 !== headDim || positions! < offset + sequence) {
    throw new RangeError(
      `rotary: tables for ${positions} positions of headDim ${half! * 2} do not serve positions up to ${offset + sequence} of ${formatShape(x.shape)}`,
    );
  }
  const device = deviceOf('rotary', x, tables.cos, tables.sin);
  const rotate = (input: Tensor, cos: Tensor, sin: Tensor, inverse: boolean): Tensor => {
    const out = new Tensor(device, x.shape);
    device.kernels.rope({
      x: input.buffer,
      cos: cos.buffer,
      sin: sin.buffer,
      out: out.buffer,
      batch,
      sequence,
      heads,
      headDim,
      offset,
      interleaved,
      inverse,
    });
    return out;
  };
  return record(
    'rotary',
    rotate(x, tables.cos, tables.sin, false),
    [x],
    [tables.cos, tables.sin],
    (gradient, [cos, sin]) => [rotate(gradient, cos!, sin!, true)],
  );
}
