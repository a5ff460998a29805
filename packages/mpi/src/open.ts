/** The communicator of this process: over MPI where `mpirun` started it, alone otherwise. */
import { type Channel, checkParts, checkReceived, type Communicator, type Numbers, partOf } from './communicator.ts';
import { MpiError } from './errors.ts';
import { inProcess } from './in-process.ts';
import { checkLauncherReachable, type Environment, isLaunchedByMpi } from './launch.ts';
import { type Handle, loadLibrary, type MpiConstants, type MpiFunctions, type MpiLibrary } from './library.ts';
import { Poller } from './poller.ts';

/** Only one thread of the process calls MPI. */
const THREAD_FUNNELED = 1;

/** Numbers of one message: a count in MPI is an `int`, and libraries have had trouble near its end. */
const LONGEST_MESSAGE = 2 ** 28;

/** Where a part of an array may begin: an `int` too. */
const LARGEST_PLACE = 2 ** 31 - 1;

/**
 * Joins the ranks that `mpirun` started this process with; a process that was started alone is the only rank.
 *
 * @throws MpiError where it was started by `mpirun` and MPI cannot be used
 */
export async function openCommunicator(environment: Environment = process.env): Promise<Communicator> {
  if (!isLaunchedByMpi(environment)) return inProcess(1)[0]!;
  checkLauncherReachable(environment);
  const library = await loadLibrary(environment);
  const given = words(1);
  library.functions.initThread(null, null, THREAD_FUNNELED, given);
  if (given[0]! < THREAD_FUNNELED) {
    throw new MpiError(
      `${library.description} was built without threads (MPI_THREAD_FUNNELED); use another build of it`,
    );
  }
  return new MpiCommunicator(library);
}

/** The ranks of one of the library's communicators. */
class MpiChannel implements Channel {
  readonly rank: number;
  readonly size: number;
  readonly #handle: Handle;
  readonly #functions: MpiFunctions;
  readonly #constants: MpiConstants;
  readonly #poller = new Poller();
  #bytesSent = 0;

  constructor({ constants, functions }: MpiLibrary, handle: Handle) {
    this.#handle = handle;
    this.#constants = constants;
    this.#functions = functions;
    const out = words(1);
    functions.rank(handle, out);
    this.rank = out[0]!;
    functions.size(handle, out);
    this.size = out[0]!;
  }

  get bytesSent(): number {
    return this.#bytesSent;
  }

  async barrier(): Promise<void> {
    await this.#run([], (request) => this.#functions.ibarrier(this.#handle, request));
  }

  async broadcast(data: Numbers, root: number): Promise<void> {
    if (this.rank === root) this.#bytesSent += data.byteLength * (this.size - 1);
    for (let from = 0; from < data.length; from += LONGEST_MESSAGE) {
      const piece = data.subarray(from, from + LONGEST_MESSAGE);
      await this.#run([piece], (request) =>
        this.#functions.ibcast(piece, piece.length, this.#typeOf(piece), root, this.#handle, request),
      );
    }
  }

  async scatterParts(send: Float32Array, received: Float32Array): Promise<void> {
    checkReceived(send, this.rank, this.size, received);
    const parts = this.#partsOf(send);
    const own = parts[this.rank]!;
    await this.#exchange(
      send,
      // What stays is not copied.
      parts.with(this.rank, 0),
      startsOf(parts),
      received,
      parts.map((_, rank) => (rank === this.rank ? 0 : own)),
    );
  }

  async gatherParts(all: Float32Array): Promise<void> {
    const parts = this.#partsOf(all);
    this.#bytesSent += 4 * parts[this.rank]! * (this.size - 1);
    this.#checkParts(all, parts);
    const { float, inPlace } = this.#constants;
    const places = [parts, startsOf(parts)].map(wordsOf);
    const [counts, from] = places as [Int32Array, Int32Array];
    await this.#run([all, ...places], (request) =>
      this.#functions.iallgatherv(inPlace, 0, float, all, counts, from, float, this.#handle, request),
    );
  }

  async allToAllV(
    send: Float32Array,
    sent: readonly number[],
    into: Float32Array,
    received: readonly number[],
  ): Promise<void> {
    checkParts(this.size, send, sent, into, received);
    await this.#exchange(send, sent, startsOf(sent), into, received);
  }

  /** @param from where in `send` the numbers for each rank begin */
  async #exchange(
    send: Float32Array,
    sent: readonly number[],
    from: readonly number[],
    into: Float32Array,
    received: readonly number[],
  ): Promise<void> {
    this.#bytesSent += sent.reduce((bytes, count, rank) => (rank === this.rank ? bytes : bytes + 4 * count), 0);
    const { float } = this.#constants;
    this.#checkParts(send, sent);
    this.#checkParts(into, received);
    const places = [sent, from, received, startsOf(received)].map(wordsOf);
    const [counts, starts, arriving, to] = places as [Int32Array, Int32Array, Int32Array, Int32Array];
    await this.#run([send, into, ...places], (request) =>
      this.#functions.ialltoallv(send, counts, starts, float, into, arriving, to, float, this.#handle, request),
    );
  }

  async allGather(own: Numbers, all: Numbers): Promise<void> {
    this.#bytesSent += own.byteLength * (this.size - 1);
    const [count, type] = [this.#checkedCount(own.length), this.#typeOf(own)];
    await this.#run([own, all], (request) =>
      this.#functions.iallgather(own, count, type, all, count, type, this.#handle, request),
    );
  }

  async allReduce(data: Float32Array): Promise<void> {
    this.#bytesSent += (2 * data.byteLength * (this.size - 1)) / this.size;
    const { float, sum, inPlace } = this.#constants;
    for (let from = 0; from < data.length; from += LONGEST_MESSAGE) {
      const piece = data.subarray(from, from + LONGEST_MESSAGE);
      await this.#run([piece], (request) =>
        this.#functions.iallreduce(inPlace, piece, piece.length, float, sum, this.#handle, request),
      );
    }
  }

  /** Starts something on some arrays and waits until it is done. */
  async #run(arrays: readonly Numbers[], start: (request: Uint8Array) => number): Promise<void> {
    // Outside of the heap that the garbage collector moves: the library writes there while this waits.
    const request = new Uint8Array(new ArrayBuffer(8));
    const flag = words(1);
    const status = new Uint8Array(new ArrayBuffer(64));
    start(request);
    await this.#poller.until(() => {
      this.#functions.test(request, flag, status);
      return flag[0] !== 0;
    }, arrays);
  }

  /** Numbers of the part of each rank. */
  #partsOf({ length }: Float32Array): number[] {
    return Array.from({ length: this.size }, (_, rank) => {
      const [begin, end] = partOf(length, rank, this.size);
      return end - begin;
    });
  }

  #typeOf(data: Numbers): Handle {
    const { byte, int, float } = this.#constants;
    if (data instanceof Uint8Array) return byte;
    return data instanceof Int32Array ? int : float;
  }

  #checkParts({ length }: Float32Array, parts: readonly number[]): void {
    this.#checkedCount(Math.max(...parts));
    if (length <= LARGEST_PLACE) return;
    throw new RangeError(`MPI: the parts of an exchange may have ${LARGEST_PLACE} numbers together, got ${length}`);
  }

  #checkedCount(count: number): number {
    if (Number.isInteger(count) && count <= LONGEST_MESSAGE) return count;
    throw new RangeError(`MPI: a message must have a whole number of at most ${LONGEST_MESSAGE} numbers, got ${count}`);
  }
}

/** All ranks that were started together. */
class MpiCommunicator extends MpiChannel implements Communicator {
  readonly local: number;
  readonly description: string;
  readonly beside: Channel;
  readonly #library: MpiLibrary;

  constructor(library: MpiLibrary) {
    const { description, constants, functions } = library;
    super(library, constants.world);
    this.#library = library;
    this.description = description;
    const made = words(2);
    const handleMade = (): Handle =>
      typeof constants.world === 'number' ? made[0]! : new BigUint64Array(made.buffer)[0]!;
    functions.splitType(constants.world, constants.sharedMemory, 0, constants.noInfo, made);
    const out = words(1);
    functions.size(handleMade(), out);
    this.local = out[0]!;
    functions.duplicate(constants.world, made);
    this.beside = new MpiChannel(library, handleMade());
  }

  abort(code: number): never {
    const { constants, functions } = this.#library;
    functions.abort(constants.world, code);
    // The library has ended the process.
    process.exit(code);
  }

  finalize(): void {
    this.#library.functions.finalize();
  }
}

/** Memory of its own, which is not moved. */
function words(count: number): Int32Array<ArrayBuffer> {
  return new Int32Array(new ArrayBuffer(4 * count));
}

function wordsOf(values: readonly number[]): Int32Array<ArrayBuffer> {
  const memory = words(values.length);
  memory.set(values);
  return memory;
}

/** Where each part begins. */
function startsOf(parts: readonly number[]): number[] {
  let end = 0;
  return parts.map((part) => (end += part) - part);
}
