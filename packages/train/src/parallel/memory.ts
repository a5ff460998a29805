/** Memory of the host that messages were received in, kept for those of later steps, which are as long. */
import type { Communicator } from '@lpr/mpi';

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
