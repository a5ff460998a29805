/**
 * Tensors: a shape, an element type and a piece of device memory.
 *
 * Memory. Every tensor belongs to the innermost scope that was open on its device when it was made, and is freed when
 * that scope ends (scope.ts); parameters belong to no scope. Several tensors may share storage (`reshape`), which is
 * freed with the last of them. Data are immutable but for the few documented in-place updates (`assign`, optimiser
 * steps).
 */
import type { GraphNode } from './autograd.ts';
import type { Device, DeviceBuffer } from './devices/device.ts';
import { currentScope } from './scope.ts';
import { checkShape, formatBounds, formatShape, type Shape, sizeOf } from './shape.ts';

/** f32 for values, i32 for indices and counts. */
export type DType = 'f32' | 'i32';

/** The least and the greatest of some whole numbers. */
export interface Range {
  readonly least: number;
  readonly greatest: number;
}

/** Device memory with a count of the tensors that use it. */
class Storage {
  readonly buffer: DeviceBuffer;
  readonly device: Device;
  /** Set where whole numbers came from the host. */
  range: Range | null = null;
  #users = 0;

  constructor(device: Device, elements: number) {
    this.device = device;
    this.buffer = device.allocate(elements);
  }

  retain(): void {
    this.#users++;
  }

  release(): void {
    if (--this.#users === 0) this.device.free(this.buffer);
  }
}

/** Numbers on a device, contiguous and row-major. Made by creation functions and ops. */
export class Tensor {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Number of elements. */
  readonly size: number;
  /** Whether `backward` computes a gradient for this leaf. */
  readonly requiresGrad: boolean;
  /** The gradient that `backward` accumulated into this leaf; null before. */
  grad: Tensor | null = null;
  /** How this tensor was computed, when gradients flow through it. */
  node: GraphNode | null = null;
  #storage: Storage;
  #disposed = false;

  /** Use the creation functions (`tensor`, `zeros`, ...) or ops instead. */
  constructor(
    device: Device,
    shape: Shape,
    dtype: DType = 'f32',
    options: { readonly requiresGrad?: boolean; readonly sharing?: Tensor; readonly persistent?: boolean } = {},
  ) {
    this.shape = shape;
    this.dtype = dtype;
    this.size = sizeOf(shape);
    this.requiresGrad = options.requiresGrad ?? false;
    this.#storage = options.sharing === undefined ? new Storage(device, this.size) : options.sharing.#live();
    this.#storage.retain();
    if (!options.persistent) currentScope(device)?.own(this);
  }

  get device(): Device {
    return this.#storage.device;
  }

  /** The memory, for kernels. Throws when the tensor was freed. */
  get buffer(): DeviceBuffer {
    return this.#live().buffer;
  }

  /** The range of i32 elements that came from the host, so that ops can check them; null where a kernel wrote them. */
  get range(): Range | null {
    return this.#live().range;
  }
  set range(range: Range | null) {
    this.#live().range = range;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Whether gradients flow into or through this tensor. */
  get tracked(): boolean {
    return this.requiresGrad || this.node !== null;
  }

  /**
   * The elements, row-major, as they are now: what is computed later does not change them. Waits until the device has
   * computed them.
   */
  async data(): Promise<Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>> {
    const { device, buffer } = this.#live();
    const bytes = this.size === 0 ? new ArrayBuffer(0) : await device.read(buffer);
    return this.dtype === 'f32' ? new Float32Array(bytes, 0, this.size) : new Int32Array(bytes, 0, this.size);
  }

  /** The only element of a tensor of size 1. */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new RangeError(
        `item: the tensor has shape ${formatShape(this.shape)}; item() reads a tensor of one element`,
      );
    }
    return (await this.data())[0]!;
  }

  /** Frees the tensor before its scope ends, or at last when it is a parameter. Harmless when done twice. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#storage.release();
    this.grad?.dispose();
    this.grad = null;
  }

  toString(): string {
    return `Tensor(${this.dtype} ${formatShape(this.shape)}${this.#disposed ? ', freed' : ''})`;
  }

  #live(): Storage {
    if (this.#disposed) {
      throw new Error(
        `${this.toString()} is used after it was freed: its scope has ended. Return it from the scope, or keep() it, to use it later`,
      );
    }
    return this.#storage;
  }
}

/** Throws unless all tensors live on the same device; returns it. */
export function deviceOf(op: string, ...tensors: readonly Tensor[]): Device {
  const { device } = tensors[0]!;
  for (const { device: other } of tensors) {
    if (other !== device) {
      throw new Error(`${op}: tensors live on different devices (${device.description} and ${other.description})`);
    }
  }
  return device;
}

/** Throws unless the tensor has the element type that the op takes. */
export function checkDType(op: string, name: string, tensor: Tensor, expected: DType): void {
  if (tensor.dtype !== expected) {
    throw new TypeError(`${op}: ${name} must be ${expected}, got ${tensor.toString()}; convert with cast()`);
  }
}

/**
 * Throws unless the indices are i32 and those that came from the host choose among `count` `things`; only the device
 * knows the others (see devices/kernels.ts). `except` is a number that may stand where there is no index.
 */
export function checkIndices(
  op: string,
  name: string,
  indices: Tensor,
  count: number,
  things: string,
  except?: number,
): void {
  checkDType(op, name, indices, 'i32');
  if (indices.range === null) return;
  const { least, greatest } = indices.range;
  const wrong = [least, greatest].find((index) => index !== except && !(index >= 0 && index < count));
  if (wrong === undefined) return;
  throw new RangeError(`${op}: ${name} holds ${wrong}; ${formatBounds(count, things)}`);
}

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

/** Overwrites a tensor's values in place: with another tensor's (same shape and type) or with numbers from the host. */
export function assign(target: Tensor, values: Tensor | TensorData): void {
  if (values instanceof Tensor) {
    deviceOf('assign', target, values);
    if (values.size !== target.size || values.dtype !== target.dtype) {
      throw new TypeError(`assign: cannot copy ${values.toString()} into ${target.toString()}`);
    }
    copyInto(values, target);
    return;
  }
  if (values.length !== target.size) {
    throw new RangeError(`assign: ${target.toString()} holds ${target.size} elements, got ${values.length}`);
  }
  upload(target, values);
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
