/** Ops that move elements without computing: reshape, permute, slice, concatenate, stretch. All work on f32 and i32. */
import { record } from '../autograd.ts';
import { zeros } from '../creation.ts';
import {
  broadcastShapes,
  checkShape,
  formatShape,
  normalizeAxis,
  sameShape,
  type Shape,
  sizeOf,
  stridesOf,
} from '../shape.ts';
import { deviceOf, Tensor } from '../tensor.ts';
import { copyStrided, stretchTo, sumToShape } from './broadcast.ts';

/** The same elements in another shape, sharing memory. One extent may be -1: it is what is left. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((size, extent) => (extent === -1 ? size : size * extent), 1);
  const target = shape.map((extent) => (extent === -1 ? x.size / Math.max(known, 1) : extent));
  if (sizeOf(target) !== x.size || !target.every((extent) => Number.isInteger(extent) && extent >= 0)) {
    throw new RangeError(
      `reshape: ${formatShape(x.shape)} has ${x.size} elements, which do not fill ${formatShape(shape)}`,
    );
  }
  if (sameShape(x.shape, target)) return x;
  const out = new Tensor(x.device, target, x.dtype, { sharing: x });
  return record('reshape', out, [x], [], (gradient) => [reshape(gradient, x.shape)]);
}

/** Reorders the axes: axis i of the result is axis `order[i]` of x. */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  if (order.length !== x.shape.length || order.toSorted((a, b) => a - b).some((axis, i) => axis !== i)) {
    throw new RangeError(
      `permute: ${formatShape(order)} is not an order of the ${x.shape.length} axes of ${formatShape(x.shape)}`,
    );
  }
  const strides = stridesOf(x.shape);
  const out = new Tensor(
    x.device,
    order.map((axis) => x.shape[axis]!),
    x.dtype,
  );
  copyStrided(
    x,
    0,
    order.map((axis) => strides[axis]!),
    out,
    0,
    stridesOf(out.shape),
    out.shape,
  );
  return record('permute', out, [x], [], (gradient) => [
    permute(
      gradient,
      order.map((_, axis) => order.indexOf(axis)),
    ),
  ]);
}

/** Swaps the last two axes. */
export function transpose(x: Tensor): Tensor {
  const order = x.shape.map((_, axis) => axis);
  if (order.length < 2) throw new RangeError(`transpose: needs two axes, got ${formatShape(x.shape)}`);
  return permute(x, [...order.slice(0, -2), order.at(-1)!, order.at(-2)!]);
}

/** Elements `start .. end` (exclusive) along an axis. */
export function slice(x: Tensor, axis: number, start: number, end: number): Tensor {
  const at = normalizeAxis('slice', axis, x.shape.length);
  const extent = x.shape[at]!;
  if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= extent)) {
    throw new RangeError(`slice: ${start} .. ${end} does not lie in axis ${at} of ${formatShape(x.shape)}`);
  }
  const strides = stridesOf(x.shape);
  const out = new Tensor(x.device, x.shape.with(at, end - start), x.dtype);
  copyStrided(x, start * strides[at]!, strides, out, 0, stridesOf(out.shape), out.shape);
  return record('slice', out, [x], [], (gradient) => {
    const gradX = zeros(gradient.device, x.shape);
    copyStrided(gradient, 0, stridesOf(gradient.shape), gradX, start * strides[at]!, strides, gradient.shape);
    return [gradX];
  });
}

/** Joins tensors along an axis; all other extents are equal. */
export function concatenate(xs: readonly Tensor[], axis: number): Tensor {
  const [first] = xs;
  if (first === undefined) throw new RangeError('concatenate: needs at least one tensor');
  const device = deviceOf('concatenate', ...xs);
  const at = normalizeAxis('concatenate', axis, first.shape.length);
  for (const x of xs) {
    if (x.dtype !== first.dtype || !sameShape(x.shape.toSpliced(at, 1), first.shape.toSpliced(at, 1))) {
      throw new RangeError(
        `concatenate: ${x.toString()} does not fit ${first.toString()} along axis ${at}: all other extents must be equal`,
      );
    }
  }
  const extents = xs.map((x) => x.shape[at]!);
  const starts = extents.map((_, i) => extents.slice(0, i).reduce((a, b) => a + b, 0));
  const out = new Tensor(
    device,
    first.shape.with(
      at,
      extents.reduce((a, b) => a + b, 0),
    ),
    first.dtype,
  );
  const strides = stridesOf(out.shape);
  xs.forEach((x, i) => copyStrided(x, 0, stridesOf(x.shape), out, starts[i]! * strides[at]!, strides, x.shape));
  return record('concatenate', out, xs, [], (gradient, _, needs) =>
    xs.map((_, i) => (needs[i] ? slice(gradient, at, starts[i]!, starts[i]! + extents[i]!) : null)),
  );
}

/** Repeats x along missing axes and axes of extent 1 until it has the given shape (NumPy's broadcast_to). */
export function stretch(x: Tensor, shape: Shape): Tensor {
  checkShape('stretch', shape);
  if (sameShape(x.shape, shape)) return x;
  if (!sameShape(broadcastShapes('stretch', x.shape, shape), shape)) {
    throw new RangeError(`stretch: ${formatShape(x.shape)} cannot be stretched to ${formatShape(shape)}`);
  }
  return record('stretch', stretchTo(x, shape), [x], [], (gradient) => [sumToShape(gradient, x.shape)]);
}
