/**
 * Work that must not go on for ever, such as matching patterns that come from a file: some take time that doubles with
 * each character. Node only.
 */
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { Script } from 'node:vm';

/** What is to run, by reference: Node stops a script after a time, and whatever it has called. */
const SLOT: unique symbol = Symbol.for('lpr.timeLimited');
const script = new Script(`globalThis[Symbol.for('lpr.timeLimited')]()`);
const holder = globalThis as { [SLOT]?: () => void };

/** Open files that the clock of a time limit takes, and some for what other threads open meanwhile. */
const FILES_OF_A_CLOCK = 8;

/**
 * Runs something that does not wait for anything.
 *
 * @param what is stopped, for the message: "tokenizer.json: encoding a text"
 * @throws Error when it has taken longer, or this process may not open another file; what `work` throws
 */
export function withinTime<Result>(milliseconds: number, what: string, work: () => Result): Result {
  checkClock(what);
  let result: { readonly value: Result } | null = null;
  holder[SLOT] = () => (result = { value: work() });
  try {
    script.runInThisContext({ timeout: Math.ceil(milliseconds) });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') {
      throw new Error(`${what} was stopped after ${(milliseconds / 1000).toFixed(1)} seconds`, { cause: error });
    }
    throw error;
  } finally {
    delete holder[SLOT];
  }
  return result!.value;
}

/** Where no file can be opened for the clock Node does not throw: it ends the process. */
function checkClock(what: string): void {
  const files: number[] = [];
  try {
    for (let i = 0; i < FILES_OF_A_CLOCK; i++) files.push(openSync(devNull, 'r'));
  } catch (error) {
    throw new Error(`${what} needs a few more open files than this process may have (ulimit -n says how many)`, {
      cause: error,
    });
  } finally {
    for (const file of files) closeSync(file);
  }
}
