/**
 * Indices that the device made are held to their bounds where kernels read them. A kernel cannot stop: it keeps the
 * first index that is out of bounds, whoever waits for the device next gets the error, and nothing runs afterwards.
 */
import { formatBounds } from '../../shape.ts';

/** What the numbers of a buffer must be: at least 0, and below `count` once divided by `divisor` (1). */
export interface IndexCheck {
  /** The kernel of the list that reads them, as on the wasm device: "GATHER_ROWS". */
  readonly kernel: string;
  /** What a number is called: "index". */
  readonly what: string;
  readonly count: number;
  /** What there are `count` of: "rows in the table". */
  readonly things: string;
  readonly divisor?: number;
  /** A number that is well all the same. */
  readonly ignored?: number;
}

/** The checks of a device, by numbers from 1 on. */
export class IndexChecks {
  readonly #all: IndexCheck[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(check: IndexCheck): number {
    const key = `${check.kernel} ${check.what} ${check.count} ${check.things} ${check.divisor ?? 1}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#all.push(check);
    this.#numbers.set(key, this.#all.length);
    return this.#all.length;
  }

  /** What to tell of an index that failed the check of this number. */
  error(number: number, index: number): RangeError {
    const { kernel, what, count, things, divisor = 1 } = this.#all[number - 1]!;
    const divided = Math.floor(index / divisor);
    return new RangeError(`gpu device: kernel ${kernel} met the ${what} ${divided}; ${formatBounds(count, things)}`);
  }
}

/** The least index that is too large. */
export function limitOf({ count, divisor = 1 }: IndexCheck): number {
  return Math.min(count * divisor, 2 ** 31 - 1);
}

/** Throws when one of the numbers fails the check. */
export function checkOnHost(checks: IndexChecks, check: IndexCheck, numbers: Float32Array): void {
  const limit = limitOf(check);
  for (const index of numbers) {
    if ((index >= 0 && index < limit) || index === check.ignored) continue;
    throw checks.error(checks.numberOf(check), index);
  }
}
