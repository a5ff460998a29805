/** Ctrl-C: the first asks the run to save and stop, a second ends the process at once. */

/** The conventional exit code of a process that SIGINT ended. */
export const INTERRUPTED = 130;

/**
 * Listens until `stop` is called.
 *
 * @param onFirst tells the user what happens now
 */
export function listenForInterrupt(onFirst: () => void): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const listener = (): void => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
    onFirst();
  };
  process.on('SIGINT', listener);
  process.on('SIGTERM', listener);
  return {
    signal: controller.signal,
    stop() {
      process.off('SIGINT', listener);
      process.off('SIGTERM', listener);
    },
  };
}
