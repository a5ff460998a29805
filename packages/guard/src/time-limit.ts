/**
 * Work that must not go on for ever, such as matching patterns that come from a file: some take time that doubles with
 * each character. Node only.
 */
import { Script } from 'node:vm';

/** What is to run, by reference: Node stops a script after a time, and whatever it has called. */
const SLOT: unique symbol = Symbol.for('lpr.timeLimited');
const script = new Script(`globalThis[Symbol.for('lpr.timeLimited')]()`);
const holder = globalThis as { [SLOT]?: () => void };

/**
 * Runs something that does not wait for anything.
 *
 * @param what is stopped, for the message: "tokenizer.json: encoding a text"
 * @throws Error when it has taken longer, what `work` throws
 */
export function withinTime<Result>(milliseconds: number, what: string, work: () => Result): Result {
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
