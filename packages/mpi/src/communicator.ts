/**
 * A communicator: processes ("ranks") that compute together and exchange arrays of numbers. Every rank calls the same
 * methods in the same order, with arrays of the same length; a promise resolves when this rank's part is done. The
 * event loop stays alive meanwhile. Arrays given to a call belong to it until its promise resolves: they are read and
 * written where they lie, also in the shared memory of WebAssembly.
 */

/** Numbers of four bytes, or bytes. */
export type Numbers = Float32Array | Int32Array | Uint8Array;

/** What ranks do together. */
export interface Channel {
  /** Which of the ranks this is, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /** Bytes that this rank has sent to others so far, as the fewest that each call needs. */
  readonly bytesSent: number;

  /** Resolves when every rank has called it. */
  barrier(): Promise<void>;
  /** Gives all ranks the numbers of one. */
  broadcast(data: Numbers, root: number): Promise<void>;
  /**
   * Gives each rank its part (`partOf`) of some numbers. `received` gets the parts that the others have for this rank,
   * in their order; its own is left where it lies.
   */
  scatterParts(send: Float32Array, received: Float32Array): Promise<void>;
  /** Each rank has its part (`partOf`) of `all`, and gets those of the others. */
  gatherParts(all: Float32Array): Promise<void>;
  /**
   * Exchanges parts of any lengths: `sent[r]` numbers of `send` go to rank r, one rank's after the other's, and
   * `received[r]` come from it, which fill `into` in the order of the ranks. Each rank knows what the others send it.
   *
   * @throws RangeError where the lengths do not fit
   */
  allToAllV(
    send: Float32Array,
    sent: readonly number[],
    into: Float32Array,
    received: readonly number[],
  ): Promise<void>;
  /** `all` gets the numbers of each rank, in the order of the ranks. */
  allGather(own: Numbers, all: Numbers): Promise<void>;
  /**
   * Adds up the numbers of all ranks, in place. The order of the sum is the library's own, and may be another one for
   * another number of ranks.
   */
  allReduce(data: Float32Array): Promise<void>;
}

export interface Communicator extends Channel {
  /** How many of the ranks run on this machine. */
  readonly local: number;
  /** What carries the messages: "Open MPI v4.1.4". */
  readonly description: string;
  /**
   * The same ranks beside these calls: those of one channel come in one order on all ranks, whatever goes on on the
   * other.
   */
  readonly beside: Channel;
  /** Ends all ranks at once, this one too, with an exit code. */
  abort(code: number): never;
  /** To be called once by all ranks, last. */
  finalize(): void;
}

/**
 * Where the part of a rank begins and ends in numbers that `size` ranks share out: as many each, rounded up, and the
 * last ones what is left.
 */
export function partOf(length: number, rank: number, size: number): readonly [begin: number, end: number] {
  const each = Math.ceil(length / size);
  return [Math.min(length, rank * each), Math.min(length, (rank + 1) * each)];
}

/** @throws RangeError where the others' parts for a rank do not fill what is to receive them */
export function checkReceived({ length }: Float32Array, rank: number, size: number, received: Float32Array): void {
  const [begin, end] = partOf(length, rank, size);
  if (received.length === (size - 1) * (end - begin)) return;
  throw new RangeError(
    `scatterParts: got ${received.length} numbers to receive in, expected ${(size - 1) * (end - begin)}: of ${length} numbers ` +
      `rank ${rank} of ${size} gets ${end - begin} from each other`,
  );
}

/** @throws RangeError where the parts of an exchange do not fill the arrays */
export function checkParts(
  size: number,
  send: Float32Array,
  sent: readonly number[],
  into: Float32Array,
  received: readonly number[],
): void {
  for (const [what, parts, { length }] of [
    ['sent', sent, send],
    ['received', received, into],
  ] as const) {
    const total = parts.reduce((sum, part) => sum + part, 0);
    if (parts.length === size && total === length) continue;
    throw new RangeError(
      `allToAllV: got ${parts.length} parts of ${total} numbers ${what}, expected one for each of ${size} ranks, ${length} in all`,
    );
  }
}
