/**
 * Waits for messages under way without blocking the event loop: MPI makes progress only while it is called, so whatever
 * is pending is tested again and again. A message of some length takes several tests on both sides, each after one on
 * the other: the pauses between them, not the bytes, decide how long it takes. Tests follow each other at once at
 * first; then after naps far shorter than a timer's millisecond, which leave the core to the threads that compute (a
 * rank that spins takes it from them, and so from whoever waits for what they compute); and when nothing happens for
 * long (while another rank evaluates) ever more rarely.
 */

/** Milliseconds without progress up to which tests follow each other at once. */
const EAGER = 0.05;
/** Milliseconds without progress up to which there is a nap between two tests. */
const NAPPING = 50;
/** A nap, in milliseconds: the event loop stands still meanwhile. */
const NAP = 0.2;
/** The longest pause between two tests, in milliseconds. */
const LONGEST_PAUSE = 5;

/** Nobody wakes who waits here. */
const NOBODY = new Int32Array(new SharedArrayBuffer(4));

interface Pending {
  /** What the library reads and writes meanwhile, so that nobody frees it. */
  readonly held: readonly unknown[];
  /** Whether it is done. */
  readonly test: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Poller {
  #pending: Pending[] = [];
  #progressAt = 0;
  #isScheduled = false;

  /** Resolves when `test` says that it is done; keeps what is `held` until then. */
  async until(test: () => boolean, held: readonly unknown[]): Promise<void> {
    if (test()) return;
    await new Promise<void>((resolve, reject) => {
      this.#pending.push({ held, test, resolve, reject });
      this.#progressAt = performance.now();
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#pending.length === 0) return;
    this.#isScheduled = true;
    const idle = performance.now() - this.#progressAt;
    if (idle < EAGER) setImmediate(this.#poll);
    else if (idle < NAPPING) setImmediate(this.#napAndPoll);
    else setTimeout(this.#poll, Math.min(LONGEST_PAUSE, Math.ceil(idle / 20)));
  }

  readonly #napAndPoll = (): void => {
    Atomics.wait(NOBODY, 0, 0, NAP);
    this.#poll();
  };

  readonly #poll = (): void => {
    this.#isScheduled = false;
    const before = this.#pending.length;
    this.#pending = this.#pending.filter(({ test, resolve, reject }) => {
      try {
        if (!test()) return true;
        resolve();
      } catch (error) {
        reject(error);
      }
      return false;
    });
    if (this.#pending.length < before) this.#progressAt = performance.now();
    this.#schedule();
  };
}
