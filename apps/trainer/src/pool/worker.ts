/**
 * A child process that trains runs, one at a time, as the process that started it says. When that is gone, or asks it
 * to stop, it saves and ends.
 */
import { inProcess } from '@lpr/mpi';
import { INTERRUPTED, listenForInterrupt } from '../cli/interrupt.ts';
import { createProgress, outliveReaders } from '../cli/progress.ts';
import { takeRouter } from '../settings/custom-routers.ts';
import { type Outcome, trainOne } from './one-run.ts';
import { type Order, sessionOf } from './places.ts';
import { Sessions } from './sessions.ts';

outliveReaders(process.stdout, process.stderr);

const progress = createProgress(process.stderr, process.env);
// Whatever started the process that started this one: it trains alone.
const sessions = new Sessions(progress, inProcess(1)[0]!);
const stopping = new AbortController();
const interrupt = listenForInterrupt(() => stop());
/** Whether a run is under way. */
let isBusy = false;
/** Whether text is read, or a device started: nothing is there yet that could be saved. */
let isOpening = false;

function stop(): void {
  stopping.abort();
  // The run's lock goes with this process.
  if (isOpening) process.exit(INTERRUPTED);
}

process.on('disconnect', () => {
  stop();
  if (!isBusy) process.exit();
});

process.on('message', async (order: Order) => {
  if (order === 'stop') {
    stop();
    return;
  }
  const { train: run, threads, router } = order;
  isBusy = true;
  const openSession = async (): ReturnType<typeof sessionOf> => {
    isOpening = true;
    try {
      if (router !== undefined) await takeRouter(router);
      return await sessionOf(sessions, run, threads);
    } finally {
      isOpening = false;
    }
  };
  const outcome: Outcome = stopping.signal.aborted
    ? { kind: 'stopped' }
    : await trainOne(run, openSession, stopping.signal);
  // A device that a run has failed on may not be as it was.
  if (outcome.kind === 'failed') await sessions.close();
  progress.end();
  isBusy = false;
  if (process.connected) process.send!(outcome);
  if (stopping.signal.aborted) {
    interrupt.stop();
    await sessions.close();
    if (!process.connected) process.exit();
  }
});
