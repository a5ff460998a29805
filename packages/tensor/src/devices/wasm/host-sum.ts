/** Sums on the recording thread, of numbers in the device's memory and outside of it, while the workers compute. */
import type { KernelExports } from './host.ts';
import type { SharedMemory } from './shared-memory.ts';

/** Numbers that are added up at a time: the sum stays in the processor's first cache from one term to the next. */
const CHUNK = 2048;

/** Memory that it needs for itself: a chunk for each of two terms from outside. */
export const HOST_SUM_BYTES: number = 2 * 4 * CHUNK;

export class HostSum {
  readonly #kernels: Pick<KernelExports, 'addNumbers'>;
  readonly #shared: SharedMemory;
  readonly #scratch: readonly Float32Array[];

  /** @param scratch byte address of HOST_SUM_BYTES */
  constructor(kernels: Pick<KernelExports, 'addNumbers'>, shared: SharedMemory, scratch: number) {
    this.#kernels = kernels;
    this.#shared = shared;
    this.#scratch = [0, 1].map((place) => new Float32Array(shared.memory.buffer, scratch + 4 * CHUNK * place, CHUNK));
  }

  /** See `Device.addOnHost`. */
  add(out: Float32Array, terms: readonly Float32Array[]): void {
    const [first, ...others] = terms;
    if (first === undefined || terms.some(({ length }) => length !== out.length)) {
      throw new RangeError(
        `addOnHost: got terms of ${terms.map(({ length }) => length).join(', ') || 'no'} numbers, expected one at least, of ${out.length}`,
      );
    }
    if (!this.#shared.holds(out)) throw new TypeError('addOnHost: out must be a view of a buffer of this device');
    if (others.length === 0) {
      out.set(first);
      return;
    }
    for (let from = 0; from < out.length; from += CHUNK) {
      const count = Math.min(CHUNK, out.length - from);
      const to = out.byteOffset + 4 * from;
      let sum = this.#addressOf(first, from, count, 0);
      for (const term of others) {
        this.#kernels.addNumbers(to, sum, this.#addressOf(term, from, count, 1), count);
        sum = to;
      }
    }
  }

  /** Where some numbers of a term lie, or a copy of them. */
  #addressOf(term: Float32Array, from: number, count: number, place: number): number {
    if (this.#shared.holds(term)) return term.byteOffset + 4 * from;
    const copy = this.#scratch[place]!;
    copy.set(term.subarray(from, from + count));
    return copy.byteOffset;
  }
}
