/** What makes tensors, and what overwrites them. */
import type { Device } from './devices/device.ts';
import { checkShape, formatShape, type Shape, sizeOf } from './shape.ts';
import { checkDType, deviceOf, type DType, type Range, Tensor } from './tensor.ts';

/** Values for a new tensor: typed arrays are taken as they are, plain numbers are rounded to the element type. */
export type TensorData = Float32Array | Int32Array | readonly number[];

/** A tensor with the given values, row-major. Throws when their number does not fit the shape. */
export function tensor(device: Device, data: TensorData, shape: Shape = [data.length], dtype?: DType): Tensor {
  checkShape('tensor', shape);
  if (data.length !== sizeOf(shape)) {
    throw new RangeError(`tensor: shape ${formatShape(shape)} holds ${sizeOf(shape)} elements, got ${data.length}`);
  }
  const type = dtype ?? (data instanceof Int32Array ? 'i32' : 'f32');
  const out = new Tensor(device, shape, type);
  upload(out, data);
  return out;
}

/** A tensor filled with one value. */
export function full(device: Device, shape: Shape, value: number, dtype: DType = 'f32'): Tensor {
  return filled('full', device, shape, value, dtype);
}

/** A tensor of zeros. */
export function zeros(device: Device, shape: Shape, dtype: DType = 'f32'): Tensor {
  return filled('zeros', device, shape, 0, dtype);
}

/** A tensor of ones. */
export function ones(device: Device, shape: Shape, dtype: DType = 'f32'): Tensor {
  return filled('ones', device, shape, 1, dtype);
}

function filled(
  op: string,
  device: Device,
  shape: Shape,
  value: number,
  dtype: DType,
  options: { readonly persistent?: boolean } = {},
): Tensor {
  checkShape(op, shape);
  const out = new Tensor(device, shape, dtype, options);
  device.kernels.fill({ out: out.buffer, value, count: out.size, integer: dtype === 'i32' });
  return out;
}

/**
 * A trainable leaf: belongs to no scope, so it lives until it is disposed. Takes the values of a tensor (copied on the
 * device) or of an array with a shape.
 */
export function parameter(values: Tensor): Tensor;
export function parameter(device: Device, data: TensorData, shape: Shape): Tensor;
export function parameter(source: Tensor | Device, data?: TensorData, shape?: Shape): Tensor {
  if (source instanceof Tensor) {
    checkDType('parameter', 'values', source, 'f32');
    const out = new Tensor(source.device, source.shape, 'f32', { requiresGrad: true, persistent: true });
    copyInto(source, out);
    return out;
  }
  if (data === undefined || shape === undefined || data.length !== sizeOf(shape)) {
    throw new RangeError(`parameter: got ${data?.length} values for shape ${formatShape(shape ?? [])}`);
  }
  const out = new Tensor(source, shape, 'f32', { requiresGrad: true, persistent: true });
  upload(out, data);
  return out;
}

/**
 * State that is updated in place and not trained (moments, biases, statistics): belongs to no scope. Starts as zeros.
 */
export function state(device: Device, shape: Shape, dtype: DType = 'f32'): Tensor {
  return filled('state', device, shape, 0, dtype, { persistent: true });
}

/**
 * Overwrites a tensor's values in place: with another tensor's (same size and type) or with numbers from the host. What
 * was computed from the old values for a `backward` still to come is lost: it throws if it needs them.
 */
export function assign(target: Tensor, values: Tensor | TensorData): void {
  if (values instanceof Tensor) {
    deviceOf('assign', target, values);
    if (values.size !== target.size || values.dtype !== target.dtype) {
      throw new TypeError(`assign: cannot copy ${values.toString()} into ${target.toString()}`);
    }
    copyInto(values, target);
  } else {
    if (values.length !== target.size) {
      throw new RangeError(`assign: ${target.toString()} holds ${target.size} elements, got ${values.length}`);
    }
    upload(target, values);
  }
  target.markChanged();
}

function upload(target: Tensor, data: TensorData): void {
  if (target.size === 0) return;
  const typed =
    target.dtype === 'f32'
      ? data instanceof Float32Array
        ? data
        : Float32Array.from(data)
      : data instanceof Int32Array
        ? data
        : Int32Array.from(data);
  target.device.write(target.buffer, typed);
  if (typed instanceof Int32Array) target.range = rangeOf(typed);
}

function rangeOf(values: Int32Array): Range {
  let [least, greatest] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  return { least, greatest };
}

/** Copies equal-sized contiguous tensors on the device. */
export function copyInto(source: Tensor, target: Tensor): void {
  target.device.kernels.stridedCopy({
    x: source.buffer,
    xOffset: 0,
    xStrides: [1],
    out: target.buffer,
    outOffset: 0,
    outStrides: [1],
    shape: [source.size],
  });
  target.range = source.range;
}
