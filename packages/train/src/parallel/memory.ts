/** Numbers of tensors as messages send and receive them: in the device's own memory where it can be reached. */
import type { Communicator } from '@lpr/mpi';
import { assign, type Tensor } from '@lpr/tensor';

/** The numbers of an f32 tensor that nothing changes meanwhile, once the device has computed them. */
export async function hostNumbers(x: Tensor): Promise<Float32Array> {
  const { device } = x;
  const own = device.view(x.buffer);
  if (own === null) return (await x.data()) as Float32Array;
  await device.synchronize();
  return own;
}

/** Has `receive` overwrite the numbers of an f32 tensor. */
export async function receiveInto(x: Tensor, receive: (numbers: Float32Array) => Promise<void>): Promise<void> {
  const { device } = x;
  const own = device.view(x.buffer);
  // Kernels that were recorded before may still use its memory, for what had it then.
  if (own !== null) await device.synchronize();
  const numbers = own ?? new Float32Array(x.size);
  await receive(numbers);
  if (own === null) assign(x, numbers);
  else x.markChanged();
}

/** Memory of the host that messages were received in, kept for those of later steps, which are as long. */
export class ReceiveBuffers {
  readonly #free = new Map<number, Float32Array[]>();

  /** Of some length; its content is undefined. */
  take(length: number): Float32Array {
    return this.#free.get(length)?.pop() ?? new Float32Array(length);
  }

  /** Takes back what is not read any more. */
  give(buffer: Float32Array): void {
    const free = this.#free.get(buffer.length);
    if (free === undefined) this.#free.set(buffer.length, [buffer]);
    else free.push(buffer);
  }
}

const buffers = new WeakMap<Communicator, ReceiveBuffers>();

/** Those of a communicator. */
export function receiveBuffersOf(communicator: Communicator): ReceiveBuffers {
  const known = buffers.get(communicator) ?? new ReceiveBuffers();
  buffers.set(communicator, known);
  return known;
}
