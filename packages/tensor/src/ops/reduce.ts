/** Reductions, along one axis or over everything. */
import { record } from '../autograd.ts';
import { normalizeAxis, type Shape, sizeOf } from '../shape.ts';
import { checkDType, deviceOf, Tensor } from '../tensor.ts';
import { reduceAxis, stretchTo, viewAs } from './broadcast.ts';
import { affine, divide, equal, multiply, sqrt } from './elementwise.ts';
import { reshape } from './movement.ts';

/** Shape of a reduction. */
export interface ReduceOptions {
  /** Keep the reduced axis with extent 1. */
  readonly keepAxis?: boolean;
}

/** Sum along `axis`, or of all elements when it is left out. Sums over nothing are 0. */
export function sum(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor {
  const split = splitShape('sum', x, axis);
  const out = reduceAxis('sum', x, split, split.reduced);
  return withAxis(
    record('sum', out, [x], [], (gradient) => [stretchTo(viewAs(gradient, split.kept), x.shape)]),
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
  const out = reduceAxis(op, x, split, split.reduced);
  const recorded = record(op, out, [x], [x, out], (gradient, [savedX, extremum]) => {
    const hit = equal(savedX!, viewAs(extremum!, split.kept));
    const share = divide(viewAs(gradient, split.kept), reduceAxis('sum', hit, split, split.kept));
    return [multiply(hit, share)];
  });
  return withAxis(recorded, split, options);
}

/**
 * Euclidean norm of all elements of all tensors (f32, at least one), as a scalar on the device. No gradient flows
 * through it.
 */
export function globalNorm(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (first === undefined) throw new RangeError('globalNorm: needs at least one tensor');
  for (const x of tensors) checkDType('globalNorm', 'x', x, 'f32');
  const device = deviceOf('globalNorm', ...tensors);
  const total = new Tensor(device, []);
  device.kernels.sumOfSquares({ xs: tensors.map((x) => ({ x: x.buffer, count: x.size })), out: total.buffer });
  return sqrt(total);
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

function withAxis(x: Tensor, split: Split, options: ReduceOptions): Tensor {
  return options.keepAxis ? reshape(x, split.kept) : x;
}
