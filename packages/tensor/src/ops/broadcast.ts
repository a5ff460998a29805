/**
 * Strided copies, views, stretching and its reverse, without recording: what ops of several families and their
 * gradients are made of.
 */
import type { ReduceOp } from '../devices/kernels/reduce.ts';
import { broadcastStrides, formatShape, mergeAxes, sameShape, type Shape, sizeOf, stridesOf } from '../shape.ts';
import { Tensor } from '../tensor.ts';

/** Copies a box of `shape` between places that lie along strides, in elements. */
export function copyStrided(
  x: Tensor,
  xOffset: number,
  xStrides: readonly number[],
  out: Tensor,
  outOffset: number,
  outStrides: readonly number[],
  shape: Shape,
): void {
  const merged = mergeAxes(shape, [xStrides, outStrides]);
  if (merged.shape.length > 6)
    throw new RangeError(`copying ${formatShape(shape)} needs ${merged.shape.length} axes, at most 6 work`);
  x.device.kernels.stridedCopy({
    x: x.buffer,
    xOffset,
    xStrides: merged.strides[0]!,
    out: out.buffer,
    outOffset,
    outStrides: merged.strides[1]!,
    shape: merged.shape,
  });
}

/** The same elements in another shape of the same size, sharing memory. */
export function viewAs(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : new Tensor(x.device, shape, x.dtype, { sharing: x });
}

/** x repeated along missing axes and axes of extent 1 until it has the given shape, which it broadcasts to. */
export function stretchTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const out = new Tensor(x.device, shape, x.dtype);
  copyStrided(x, 0, broadcastStrides(x.shape, shape), out, 0, stridesOf(shape), shape);
  return out;
}

/** x `[outer, length, inner]` reduced along the middle, in the shape `reduced`. */
export function reduceAxis(
  op: ReduceOp,
  x: Tensor,
  { outer, length, inner }: { readonly outer: number; readonly length: number; readonly inner: number },
  reduced: Shape,
): Tensor {
  const out = new Tensor(x.device, reduced);
  x.device.kernels.reduce({ op, x: x.buffer, out: out.buffer, outer, length, inner });
  return out;
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
    current = reduceAxis('sum', current, { outer, length, inner }, rest);
    axis = first;
  }
  return viewAs(current, shape);
}
