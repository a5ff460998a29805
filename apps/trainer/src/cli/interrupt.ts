/**
 * Ctrl-C, a closed terminal and requests to end, such as of a scheduler: the first asks the run to save and stop, a
 * second Ctrl-C ends the process at once.
 */

/** The conventional exit code of a process that SIGINT ended. */
export const INTERRUPTED = 130;

/**
 * Of a terminal that is closed the third; the last one a scheduler sends before the time of a job is over. Programs in
 * between (a shell, pnpm) may hand on any of them once more.
 */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'] as const;

/** Milliseconds within which another signal is of the same press of a key. */
const ONE_PRESS = 500;

/**
 * Listens until `stop` is called.
 *
 * @param onFirst tells the user what happens now, by which signal
 */
export function listenForInterrupt(onFirst: (signal: NodeJS.Signals) => void): {
  signal: AbortSignal;
  stop: () => void;
} {
  const controller = new AbortController();
  let firstAt = 0;
  const listener = (signal: NodeJS.Signals): void => {
    if (!controller.signal.aborted) {
      firstAt = performance.now();
      controller.abort();
      onFirst(signal);
    } else if (signal === 'SIGINT' && performance.now() - firstAt > ONE_PRESS) {
      process.exit(INTERRUPTED);
    }
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return {
    signal: controller.signal,
    stop: () => SIGNALS.forEach((signal) => process.off(signal, listener)),
  };
}

/** Leaves it to another process, which gets the same signals, to end this one. */
export function ignoreInterrupts(): void {
  for (const signal of SIGNALS) process.on(signal, () => {});
}
