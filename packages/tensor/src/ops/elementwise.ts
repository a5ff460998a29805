/**
 * Elementwise ops: a forward and its gradient side by side. All take f32 of any shape and throw a TypeError for i32.
 * Those of two arguments broadcast as NumPy does and throw a RangeError that names both shapes where they cannot.
 * Zeros, infinities and NaN come out as IEEE 754 says.
 */
import { record } from '../autograd.ts';
import { full } from '../creation.ts';
import { type BinaryOp, DERIVATIVE_FROM, type UnaryOp } from '../devices/kernels/elementwise.ts';
import { broadcastShapes, broadcastStrides, mergeAxes, sameShape } from '../shape.ts';
import { checkDType, deviceOf, type DType, Tensor } from '../tensor.ts';
import { sumToShape } from './broadcast.ts';

/** `scale * x + shift`, with numbers of the host; the shape of x. */
export function affine(x: Tensor, scale: number, shift = 0): Tensor {
  checkDType('affine', 'x', x, 'f32');
  const out = new Tensor(x.device, x.shape);
  x.device.kernels.affine({ x: x.buffer, out: out.buffer, scale, shift, count: x.size });
  return record('affine', out, [x], [], (gradient) => [affine(gradient, scale)]);
}

function unary(op: UnaryOp, x: Tensor): Tensor {
  checkDType(op, 'x', x, 'f32');
  const out = new Tensor(x.device, x.shape);
  x.device.kernels.unary({ op, x: x.buffer, out: out.buffer, count: x.size });
  return record(op, out, [x], [DERIVATIVE_FROM[op] === 'x' ? x : out], (gradient, [input]) => {
    const gradX = new Tensor(gradient.device, gradient.shape);
    gradient.device.kernels.unaryBackward({
      op,
      input: input!.buffer,
      gradient: gradient.buffer,
      out: gradX.buffer,
      count: gradient.size,
    });
    return [gradX];
  });
}

/** `-x`. */
export const negate = (x: Tensor): Tensor => unary('negate', x);
/** `|x|`, gradient 0 at 0. */
export const abs = (x: Tensor): Tensor => unary('abs', x);
/** -1, 0 or 1; its gradient is 0. */
export const sign = (x: Tensor): Tensor => unary('sign', x);
/** `1 / x`. */
export const reciprocal = (x: Tensor): Tensor => unary('reciprocal', x);
/** `x * x`. */
export const square = (x: Tensor): Tensor => unary('square', x);
/** Square root; NaN below 0. */
export const sqrt = (x: Tensor): Tensor => unary('sqrt', x);
/** `1 / sqrt(x)`. */
export const rsqrt = (x: Tensor): Tensor => unary('rsqrt', x);
/** `e^x`. */
export const exp = (x: Tensor): Tensor => unary('exp', x);
/** Natural logarithm; NaN below 0. */
export const log = (x: Tensor): Tensor => unary('log', x);
/** `1 / (1 + exp(-x))`. */
export const sigmoid = (x: Tensor): Tensor => unary('sigmoid', x);
/** `x * sigmoid(x)` (Hendrycks and Gimpel 2016). */
export const silu = (x: Tensor): Tensor => unary('silu', x);
/** `max(x, 0)`, gradient 0 at 0. */
export const relu = (x: Tensor): Tensor => unary('relu', x);
/** Hyperbolic tangent. */
export const tanh = (x: Tensor): Tensor => unary('tanh', x);
/** `log(1 + exp(x))`, without overflow. */
export const softplus = (x: Tensor): Tensor => unary('softplus', x);

/** A tensor, or a number that is stretched to the other argument's shape. */
export type Operand = Tensor | number;

/** `a + b`, in the shape that both broadcast to. */
export function add(a: Tensor, b: Operand): Tensor {
  if (typeof b === 'number') return affine(a, 1, b);
  return record('add', binary('add', a, b), [a, b], [], (gradient) => [
    sumToShape(gradient, a.shape),
    sumToShape(gradient, b.shape),
  ]);
}

/** `a - b`, in the shape that both broadcast to. */
export function subtract(a: Tensor, b: Operand): Tensor {
  if (typeof b === 'number') return affine(a, 1, -b);
  return record('subtract', binary('subtract', a, b), [a, b], [], (gradient, _, [, needsB]) => [
    sumToShape(gradient, a.shape),
    needsB ? negate(sumToShape(gradient, b.shape)) : null,
  ]);
}

/** `a * b`, element by element, in the shape that both broadcast to. */
export function multiply(a: Tensor, b: Operand): Tensor {
  if (typeof b === 'number') return affine(a, b);
  return record('multiply', binary('multiply', a, b), [a, b], [a, b], (gradient, [x, y], [needsA, needsB]) => [
    needsA ? sumToShape(multiply(gradient, y!), a.shape) : null,
    needsB ? sumToShape(multiply(gradient, x!), b.shape) : null,
  ]);
}

/** `a / b`, in the shape that both broadcast to. */
export function divide(a: Tensor, b: Operand): Tensor {
  if (typeof b === 'number') return affine(a, 1 / b);
  const out = binary('divide', a, b);
  return record('divide', out, [a, b], [b, out], (gradient, [y, quotient], [needsA, needsB]) => {
    const gradA = divide(gradient, y!);
    return [
      needsA ? sumToShape(gradA, a.shape) : null,
      needsB ? negate(sumToShape(multiply(gradA, quotient!), b.shape)) : null,
    ];
  });
}

/** The larger of both, NaN when either is; equal arguments share the gradient. */
export function maximum(a: Tensor, b: Operand): Tensor {
  return extremum('maximum', a, b);
}

/** The smaller of both, NaN when either is; equal arguments share the gradient. */
export function minimum(a: Tensor, b: Operand): Tensor {
  return extremum('minimum', a, b);
}

function extremum(op: 'maximum' | 'minimum', a: Tensor, operand: Operand): Tensor {
  const b = toTensor(operand, a);
  return record(op, binary(op, a, b), [a, b], [a, b], (gradient, [x, y]) => {
    const aWins = op === 'maximum' ? greater(x!, y!) : greater(y!, x!);
    const shareOfA = add(aWins, affine(equal(x!, y!), 0.5));
    const gradA = multiply(gradient, shareOfA);
    return [sumToShape(gradA, a.shape), sumToShape(subtract(gradient, gradA), b.shape)];
  });
}

/** 1 where `a > b`, else 0; no gradient. */
export function greater(a: Tensor, b: Operand): Tensor {
  return binary('greater', a, toTensor(b, a));
}

/** 1 where `a == b`, else 0; no gradient. */
export function equal(a: Tensor, b: Operand): Tensor {
  return binary('equal', a, toTensor(b, a));
}

/** To the other element type; f32 to i32 rounds towards zero. Gradients pass only between f32. */
export function cast(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x;
  const out = new Tensor(x.device, x.shape, dtype);
  x.device.kernels.cast({ x: x.buffer, out: out.buffer, count: x.size, to: dtype });
  return out;
}

function toTensor(operand: Operand, like: Tensor): Tensor {
  return typeof operand === 'number' ? full(like.device, [], operand) : operand;
}

function binary(op: BinaryOp, a: Tensor, b: Tensor): Tensor {
  checkDType(op, 'a', a, 'f32');
  checkDType(op, 'b', b, 'f32');
  const device = deviceOf(op, a, b);
  const shape = sameShape(a.shape, b.shape) ? a.shape : broadcastShapes(op, a.shape, b.shape);
  const out = new Tensor(device, shape);
  const merged = mergeAxes(shape, [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)]);
  if (merged.shape.length > 6)
    throw new RangeError(`${op}: broadcasting needs ${merged.shape.length} axes, at most 6 work`);
  device.kernels.binary({
    op,
    a: a.buffer,
    b: b.buffer,
    out: out.buffer,
    shape: merged.shape,
    aStrides: merged.strides[0]!,
    bStrides: merged.strides[1]!,
  });
  return out;
}
