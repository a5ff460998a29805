/** Elementwise kernels. */
import type { DeviceBuffer } from '../device.ts';

/**
 * Functions of one argument. `silu(x) = x * sigmoid(x)`; `sign(0) = 0`; `softplus(x) = log(1 + e^x)`, stable for large
 * |x|. abs, sign, relu and their backwards pass NaN on.
 */
export type UnaryOp =
  | 'negate'
  | 'abs'
  | 'sign'
  | 'reciprocal'
  | 'square'
  | 'sqrt'
  | 'rsqrt'
  | 'exp'
  | 'log'
  | 'sigmoid'
  | 'silu'
  | 'relu'
  | 'tanh'
  | 'softplus';

/** What a derivative is taken from: x, or `y = op(x)` where that is cheaper. */
export const DERIVATIVE_FROM: Readonly<Record<UnaryOp, 'x' | 'y'>> = {
  negate: 'y',
  abs: 'x',
  sign: 'x',
  reciprocal: 'y',
  square: 'x',
  sqrt: 'y',
  rsqrt: 'y',
  exp: 'y',
  log: 'x',
  sigmoid: 'y',
  silu: 'x',
  relu: 'x',
  tanh: 'y',
  softplus: 'x',
};

/** Functions of two arguments; `maximum` and `minimum` give NaN when either is NaN. Comparisons give 1 or 0. */
export type BinaryOp = 'add' | 'subtract' | 'multiply' | 'divide' | 'maximum' | 'minimum' | 'greater' | 'equal';

export interface ElementwiseKernels {
  /** `out[i] = value`. With `integer`, the buffer is of i32. */
  fill(a: { out: DeviceBuffer; value: number; count: number; integer: boolean }): void;
  /** `out[i] = scale * x[i] + shift`. May run in place. */
  affine(a: { x: DeviceBuffer; out: DeviceBuffer; scale: number; shift: number; count: number }): void;
  /** `out[i] = op(x[i])`. May run in place. */
  unary(a: { op: UnaryOp; x: DeviceBuffer; out: DeviceBuffer; count: number }): void;
  /** `out[i] = gradient[i] * op'(x[i])`, where `input` is x or `y = op(x)`, as DERIVATIVE_FROM says. */
  unaryBackward(a: {
    op: UnaryOp;
    input: DeviceBuffer;
    gradient: DeviceBuffer;
    out: DeviceBuffer;
    count: number;
  }): void;
  /**
   * `out = op(a, b)` with broadcasting. `shape` is the shape of `out`, at most 6 axes; strides are in elements, 0 along
   * stretched axes. The op merges axes that can be merged, so that same shapes arrive as one axis and a row as two.
   */
  binary(a: {
    op: BinaryOp;
    a: DeviceBuffer;
    b: DeviceBuffer;
    out: DeviceBuffer;
    shape: readonly number[];
    aStrides: readonly number[];
    bStrides: readonly number[];
  }): void;
  /** Between f32 and i32 (towards zero). */
  cast(a: { x: DeviceBuffer; out: DeviceBuffer; count: number; to: 'f32' | 'i32' }): void;
}
