/**
 * Tensors: a shape, an element type and a piece of device memory.
 *
 * Memory. Every tensor belongs to the innermost scope that was open on its device when it was made, and is freed when
 * that scope ends (scope.ts); parameters belong to no scope. Several tensors may share storage (`reshape`), which is
 * freed with the last of them. Data are immutable but for the few documented in-place updates (`assign`, optimiser
 * steps), which storage counts: what `backward` reads must be what the forward pass read.
 */
import type { GraphNode } from './autograd.ts';
import type { Device, DeviceBuffer } from './devices/device.ts';
import { claim } from './scope.ts';
import { formatBounds, formatShape, type Shape, sizeOf } from './shape.ts';

/** f32 for values, i32 for indices and counts. */
export type DType = 'f32' | 'i32';

/** The least and the greatest of some whole numbers. */
export interface Range {
  readonly least: number;
  readonly greatest: number;
}

interface TensorOptions {
  readonly requiresGrad?: boolean;
  /** Uses the memory of this tensor. */
  readonly sharing?: Tensor;
  /** Belongs to no scope. */
  readonly persistent?: boolean;
  /** Only for the gradient of this op: reads the values of now, or throws. */
  readonly savedFor?: string;
}

/** Device memory with a count of the tensors that use it. */
class Storage {
  readonly buffer: DeviceBuffer;
  readonly device: Device;
  /** Set where whole numbers came from the host. */
  range: Range | null = null;
  /** Counts the in-place changes. */
  version = 0;
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

  get isShared(): boolean {
    return this.#users > 1;
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
  /** The op whose gradient reads this handle, and the version of the storage that the op read; null for all others. */
  #saved: { readonly op: string; readonly version: number } | null = null;

  /** Use the creation functions (`tensor`, `zeros`, ...) or ops instead. */
  constructor(device: Device, shape: Shape, dtype: DType = 'f32', options: TensorOptions = {}) {
    this.shape = shape;
    this.dtype = dtype;
    this.size = sizeOf(shape);
    this.requiresGrad = options.requiresGrad ?? false;
    this.#storage = options.sharing === undefined ? new Storage(device, this.size) : options.sharing.#current();
    this.#storage.retain();
    if (options.savedFor !== undefined) this.#saved = { op: options.savedFor, version: this.#storage.version };
    if (!options.persistent) claim(this);
  }

  get device(): Device {
    return this.#storage.device;
  }

  /** The memory, for kernels. Throws when the tensor was freed, or saved for a gradient and changed since. */
  get buffer(): DeviceBuffer {
    return this.#current().buffer;
  }

  /** To be called when the elements were changed in place: gradients that would read the old ones then throw. */
  markChanged(): void {
    this.#live().version++;
  }

  /** How often the elements were changed in place: by `assign` or an optimiser step. */
  get version(): number {
    return this.#live().version;
  }

  /** The range of i32 elements that came from the host, so that ops can check them; null where a kernel wrote them. */
  get range(): Range | null {
    return this.#live().range;
  }
  set range(range: Range | null) {
    this.#live().range = range;
  }

  /** Whether other tensors that live use the same memory, so that a change of one is a change of all. */
  get sharesMemory(): boolean {
    return this.#live().isShared;
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

  /** As `data`, of a tensor of f32. Throws a TypeError for one of i32. */
  async dataF32(): Promise<Float32Array<ArrayBuffer>> {
    checkDType('dataF32', 'the tensor', this, 'f32');
    return (await this.data()) as Float32Array<ArrayBuffer>;
  }

  /** As `data`, of a tensor of i32. Throws a TypeError for one of f32. */
  async dataI32(): Promise<Int32Array<ArrayBuffer>> {
    checkDType('dataI32', 'the tensor', this, 'i32');
    return (await this.data()) as Int32Array<ArrayBuffer>;
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

  /** Type and shape, and whether it was freed: `Tensor(f32 [2, 3])`. */
  toString(): string {
    return `Tensor(${this.dtype} ${formatShape(this.shape)}${this.#disposed ? ', freed' : ''})`;
  }

  /** The storage, with what this handle is to read. */
  #current(): Storage {
    const storage = this.#live();
    if (this.#saved !== null && this.#saved.version !== storage.version) {
      throw new Error(
        `backward: the gradient of ${this.#saved.op} needs ${this.toString()} as it was when ${this.#saved.op} was computed, but its ` +
          'values have been changed in place since, by assign or an optimiser step. Call backward before the change, or ' +
          'compute from a copy (affine(x, 1))',
      );
    }
    return storage;
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
 * knows the others (see devices/kernels/index.ts). `except` is a number that may stand where there is no index.
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
