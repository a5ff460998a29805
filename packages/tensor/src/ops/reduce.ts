/** Reductions: along one axis or over everything, and back to a broadcast operand's shape. */
import { record } from '../autograd.ts';
import type { ReduceOp } from '../devices/kernels.ts';
import { normalizeAxis, sameShape, type Shape, sizeOf } from '../shape.ts';
import { checkDType, Tensor } from '../tensor.ts';
import { affine, divide, equal, multiply } from './elementwise.ts';
import { reshape, stretch } from './movement.ts';

/** Shape of a reduction. */
export interface ReduceOptions {
  /** Keep the reduced axis with extent 1. */
  readonly keepAxis?: boolean;
}

/** Sum along `axis`, or of all elements when it is left out. Sums over nothing are 0. */
export function sum(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor {
  const split = splitShape('sum', x, axis);
  const out = reduce('sum', x, split);
  return withAxis(
    record('sum', out, [x], [], (gradient) => [stretch(reshape(gradient, split.kept), x.shape)]),
    split,
    options,
  );
}

/** Mean along `axis`, or of all elements; NaN over nothing. */
export function mean(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor {
  const { length } = splitShape('mean', x, axis);
  return affine(sum(x, axis, options), 1 / length);
}

/** Largest element along `axis`, or of all; equal ones share the gradient. Minus infinity over nothing. */
export function max(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor {
  return extreme('max', x, axis, options);
}

/** Smallest element along `axis`, or of all; equal ones share the gradient. Infinity over nothing. */
export function min(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor {
  return extreme('min', x, axis, options);
}

function extreme(op: 'max' | 'min', x: Tensor, axis: number | undefined, options: ReduceOptions): Tensor {
  const split = splitShape(op, x, axis);
  const out = reduce(op, x, split);
  const recorded = record(op, out, [x], [x, out], (gradient, [savedX, extremum]) => {
    const hit = equal(savedX!, reshape(extremum!, split.kept));
    const share = divide(reshape(gradient, split.kept), reshape(reduce('sum', hit, split), split.kept));
    return [multiply(hit, share)];
  });
  return withAxis(recorded, split, options);
}

/** Sums over the axes along which `shape` was stretched to become `x.shape`: the gradient of broadcasting. */
export function sumToShape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const missing = x.shape.length - shape.length;
  let current = x;
  // Neighbouring stretched axes are summed together, from the back so that earlier axis numbers stay valid.
  for (let axis = x.shape.length - 1; axis >= 0; axis--) {
    const stretched = (i: number): boolean => i < missing || (shape[i - missing] === 1 && x.shape[i] !== 1);
    if (!stretched(axis)) continue;
    let first = axis;
    while (first > 0 && stretched(first - 1)) first--;
    const outer = sizeOf(current.shape.slice(0, first));
    const length = sizeOf(current.shape.slice(first, axis + 1));
    const inner = sizeOf(current.shape.slice(axis + 1));
    const rest = [...current.shape.slice(0, first), ...current.shape.slice(axis + 1)];
    current = reduce('sum', current, { outer, length, inner, reduced: rest, kept: rest });
    axis = first;
  }
  return reshape(current, shape);
}

interface Split {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
  /** Shape without the axis. */
  readonly reduced: Shape;
  /** Shape with the axis as 1. */
  readonly kept: Shape;
}

function splitShape(op: string, x: Tensor, axis: number | undefined): Split {
  checkDType(op, 'x', x, 'f32');
  const { shape } = x;
  if (axis === undefined) return { outer: 1, length: x.size, inner: 1, reduced: [], kept: shape.map(() => 1) };
  const at = normalizeAxis(op, axis, shape.length);
  return {
    outer: sizeOf(shape.slice(0, at)),
    length: shape[at]!,
    inner: sizeOf(shape.slice(at + 1)),
    reduced: shape.toSpliced(at, 1),
    kept: shape.with(at, 1),
  };
}

function reduce(op: ReduceOp, x: Tensor, { outer, length, inner, reduced }: Split): Tensor {
  const out = new Tensor(x.device, reduced);
  x.device.kernels.reduce({ op, x: x.buffer, out: out.buffer, outer, length, inner });
  return out;
}

function withAxis(x: Tensor, split: Split, options: ReduceOptions): Tensor {
  return options.keepAxis ? reshape(x, split.kept) : x;
}
