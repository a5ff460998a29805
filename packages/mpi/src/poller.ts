/**
 * Waits for messages under way without blocking the event loop: MPI makes progress only while it is called, so whatever
 * is pending is tested again and again, at once at first and then, when nothing happens, ever more rarely, so that
 * ranks that wait for a long time (while another evaluates) leave their core to others.
 */

/** Milliseconds without progress after which tests no longer follow each other at once. */
const EAGER = 2;
/** The longest pause between two tests, in milliseconds. */
const LONGEST_PAUSE = 5;

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
    else setTimeout(this.#poll, Math.min(LONGEST_PAUSE, Math.ceil(idle / 20)));
  }

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
