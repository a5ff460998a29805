/**
 * The recording end of the command queue. Commands go into the ring in shared memory (layout.ts) as long as there is
 * room, then into a list on this side that follows as the workers proceed: recording never waits. The workers signal
 * only when they reach the command that somebody waits for.
 */
import {
  CLOSED,
  COMPLETED,
  EPOCH,
  FIRST_COMMAND,
  HEAD,
  RING,
  RING_SLOTS,
  SLEEPERS,
  SLOT_ARGUMENTS,
  SLOT_BYTES,
  SLOT_LABEL,
  SLOT_TILES,
  TICKET,
  WANTED,
} from './layout.ts';
import { ARGUMENT_WORDS, commandName, encodeWords, opcodeOf } from './commands/encoding.ts';
import { COPY_TILE_BYTES } from './constants.ts';
import type { SharedMemory } from './shared-memory.ts';
import type { Staging } from './staging.ts';

const COPY = opcodeOf('COPY_BYTES');

/** All addresses are numbers here. */
function copyWords(out: number, x: number, bytes: number): number[] {
  return encodeWords('COPY_BYTES', { out, x, bytes }, () => 0);
}

interface Command {
  readonly opcode: number;
  readonly tiles: number;
  readonly label: number;
  readonly words: readonly number[];
}
/** Bytes that are copied to `address` when their turn comes. */
interface Upload {
  readonly address: number;
  readonly label: number;
  readonly data: Uint8Array;
}
interface Waiter {
  readonly target: number;
  resolve(): void;
  reject(error: Error): void;
}

export interface QueueOptions {
  readonly shared: SharedMemory;
  /** Byte address of the control block. */
  readonly control: number;
  readonly staging: Staging;
  readonly threads: number;
  /** With 0 threads: runs what was published, on this thread. */
  drain(): void;
  /** Called when the first waiter comes and when the last one has gone. */
  onWaiting(isWaiting: boolean): void;
}

export class CommandQueue {
  /** Label of the commands that are recorded from now on; see profile.ts. */
  label = 0;
  failure: Error | null = null;

  readonly #options: QueueOptions;
  /** The control block. Growth of the memory leaves views of its old part valid. */
  readonly #words: Int32Array;
  /** Numbers of commands, modulo 2^32: compared by the sign of their difference. */
  #published: number = FIRST_COMMAND;
  #completed: number = FIRST_COMMAND;
  /** What found no room in the ring, from `#overflowStart` on. */
  #overflow: (Command | Upload)[] = [];
  #overflowStart = 0;
  #waiters: Waiter[] = [];

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#words = new Int32Array(options.shared.memory.buffer, options.control);
    this.#words[HEAD / 4] = FIRST_COMMAND;
    this.#words[COMPLETED / 4] = FIRST_COMMAND;
    this.#words[TICKET / 4] = CLOSED;
    this.#words[TICKET / 4 + 1] = FIRST_COMMAND;
  }

  /** Whether everything that was recorded has run. */
  get isIdle(): boolean {
    return this.#deferred === 0 && this.#readCompleted() === this.#published;
  }

  /** Appends a command by its number and the numbers in its words. Throws when a kernel has failed. */
  record(opcode: number, tiles: number, words: readonly number[]): void {
    if (this.failure) throw this.failure;
    if (words.length > ARGUMENT_WORDS) {
      throw new RangeError(
        `record: kernel ${commandName(opcode)} has ${words.length} argument words, at most ${ARGUMENT_WORDS} fit`,
      );
    }
    if (tiles === 0) return;
    this.#refill();
    if (this.#deferred > 0 || this.#isRingFull()) {
      this.#defer({ opcode, tiles, label: this.label, words: words.slice() });
    } else {
      this.#publish(opcode, tiles, this.label, words);
    }
  }

  /** Copies inside the device memory, in the order of the queue. */
  copy(destination: number, source: number, bytes: number): void {
    this.record(COPY, Math.ceil(bytes / COPY_TILE_BYTES), copyWords(destination, source, bytes));
  }

  /** Puts `data` at `address`, in the order of the queue; `data` may change as soon as this returns. */
  write(address: number, data: Uint8Array): void {
    if (this.failure) throw this.failure;
    const { shared, staging } = this.#options;
    if (this.isIdle) {
      shared.bytes.set(data, address);
      return;
    }
    for (let from = 0; from < data.length; from += staging.largestPiece) {
      const upload = {
        address: address + from,
        label: this.label,
        data: data.subarray(from, from + staging.largestPiece),
      };
      this.#refill();
      if (this.#deferred > 0 || !this.#publishUpload(upload)) {
        this.#defer({ ...upload, data: upload.data.slice() });
      }
    }
  }

  /** Resolves when everything that was recorded so far has run. */
  async finished(): Promise<void> {
    if (this.failure) throw this.failure;
    if (this.isIdle) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ target: (this.#published + this.#deferred) | 0, resolve, reject });
      if (this.#waiters.length === 1) this.#options.onWaiting(true);
      this.#awaitSignal();
    });
  }

  /** To be called when a worker signals. */
  onSignal(): void {
    if (this.failure) return;
    this.#proceed();
    this.#awaitSignal();
  }

  /** Ends the queue: whoever waits, and whoever calls from now on, gets this error. Later failures are ignored. */
  fail(error: Error): void {
    if (this.failure) return;
    this.failure = error;
    this.#overflow = [];
    this.#overflowStart = 0;
    const waiters = this.#waiters;
    this.#waiters = [];
    if (waiters.length > 0) this.#options.onWaiting(false);
    for (const waiter of waiters) waiter.reject(error);
  }

  get #deferred(): number {
    return this.#overflow.length - this.#overflowStart;
  }

  #readCompleted(): number {
    this.#completed = Atomics.load(this.#words, COMPLETED / 4);
    return this.#completed;
  }

  #isRingFull(): boolean {
    return (
      ((this.#published - this.#completed) | 0) >= RING_SLOTS &&
      ((this.#published - this.#readCompleted()) | 0) >= RING_SLOTS
    );
  }

  #publish(opcode: number, tiles: number, label: number, args: readonly number[]): void {
    const words = this.#words;
    const slot = (RING + (this.#published & (RING_SLOTS - 1)) * SLOT_BYTES) / 4;
    words[slot] = opcode;
    words[slot + SLOT_TILES / 4] = tiles;
    words[slot + SLOT_LABEL / 4] = label;
    for (let i = 0; i < args.length; i++) words[slot + SLOT_ARGUMENTS / 4 + i] = args[i]!;
    this.#published = (this.#published + 1) | 0;
    Atomics.store(words, HEAD / 4, this.#published);
    const { threads } = this.#options;
    if (threads === 0) {
      this.#options.drain();
    } else if (Atomics.load(words, SLEEPERS / 4) === threads) {
      // Whoever is awake looks at HEAD before it sleeps. The one who is woken wakes the others it needs.
      Atomics.add(words, EPOCH / 4, 1);
      Atomics.sub(words, SLEEPERS / 4, Atomics.notify(words, EPOCH / 4, 1));
    }
  }

  #publishUpload({ address, label, data }: Upload): boolean {
    if (this.#isRingFull()) return false;
    const source = this.#options.staging.put(data, this.#published, this.#readCompleted());
    if (source === null) return false;
    const words = copyWords(address, source, data.length);
    this.#publish(COPY, Math.ceil(data.length / COPY_TILE_BYTES), label, words);
    return true;
  }

  #defer(item: Command | Upload): void {
    this.#overflow.push(item);
    if (this.#deferred === 1) this.#awaitSignal();
  }

  /**
   * Moves deferred items into the ring once it is half empty: rarely, since every attempt reads what the workers write.
   */
  #refill(): void {
    if (this.#deferred > 0 && ((this.#published - this.#readCompleted()) | 0) <= RING_SLOTS / 2) this.#flush();
  }

  /** Moves what has room now from the list into the ring. */
  #flush(): void {
    for (; this.#overflowStart < this.#overflow.length; this.#overflowStart++) {
      const item = this.#overflow[this.#overflowStart]!;
      if ('data' in item) {
        if (!this.#publishUpload(item)) break;
      } else {
        if (this.#isRingFull()) break;
        this.#publish(item.opcode, item.tiles, item.label, item.words);
      }
    }
    if (this.#overflowStart > this.#overflow.length / 2) {
      this.#overflow.splice(0, this.#overflowStart);
      this.#overflowStart = 0;
    }
  }

  #proceed(): void {
    const completed = this.#readCompleted();
    const pending = this.#waiters.findIndex((waiter) => ((completed - waiter.target) | 0) < 0);
    const reached = this.#waiters.splice(0, pending < 0 ? this.#waiters.length : pending);
    if (reached.length > 0 && this.#waiters.length === 0) this.#options.onWaiting(false);
    for (const waiter of reached) waiter.resolve();
    if (this.#deferred > 0) this.#flush();
  }

  /** Asks for a signal at the next command that matters: the first waiter's, or one that makes room in the ring. */
  #awaitSignal(): void {
    while (this.#waiters.length > 0 || this.#deferred > 0) {
      let target = this.#waiters[0]?.target;
      if (this.#deferred > 0) {
        const room = (this.#completed + Math.max(1, ((this.#published - this.#completed) | 0) >> 1)) | 0;
        if (target === undefined || ((target - room) | 0) > 0) target = room;
      }
      Atomics.store(this.#words, WANTED / 4, target!);
      // The workers look at WANTED after they have counted: either they see it, or the count is seen here.
      if (((this.#readCompleted() - target!) | 0) < 0) return;
      this.#proceed();
    }
  }
}
