/** The places where runs are trained: this process, and children of it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type LoadedRouter, loadedRouter } from '../settings/custom-routers.ts';
import { nodeCommand } from './node-command.ts';
import type { Outcome, PlannedRun } from './one-run.ts';
import { trainOne } from './one-run.ts';
import type { Place } from './queue.ts';
import { ownTokenizer, type Sessions } from './sessions.ts';

/** What a child is told. */
export type Order =
  | {
      readonly train: PlannedRun;
      readonly threads: number;
      /** That of the run where it is one from outside: a child loads what was loaded here, and nothing else. */
      readonly router: LoadedRouter | undefined;
    }
  | 'stop';

/** Trains in this process, on sessions that somebody else closes. */
export function inThisProcess(sessions: Sessions, signal: AbortSignal): Place {
  return {
    train: async (run) => {
      const outcome = await trainOne(run, () => sessionOf(sessions, run), signal);
      // A device that a run has failed on may not be as it was.
      if (outcome.kind === 'failed') await sessions.close();
      return outcome;
    },
    close: async () => {},
  };
}

/** The session of a run, with its own tokenizer where it has one. @param threads where the settings leave them open */
export async function sessionOf(
  sessions: Sessions,
  { folder, name, settings }: PlannedRun,
  threads: number | null = null,
): ReturnType<Sessions['of']> {
  return await sessions.of(
    { ...settings, threads: settings.threads ?? threads },
    await ownTokenizer(join(folder, name), settings),
  );
}

/**
 * Trains in a child process, started when it is needed and again when it has ended. It stops by itself, and saves, when
 * this process is gone.
 *
 * @param threads of runs that leave their number open
 * @param onLine told what it prints
 */
export function inChildProcess(threads: number, signal: AbortSignal, onLine: (line: string) => void): Place {
  let child: ChildProcess | null = null;
  const start = (): ChildProcess => {
    const { execArgv, file } = nodeCommand('pool/worker');
    const stdio = ['ignore', 'pipe', 'pipe', 'ipc'] as const;
    const started = fork(file, [], { execArgv: [...execArgv], stdio: [...stdio], serialization: 'advanced' });
    for (const stream of [started.stdout!, started.stderr!]) createInterface({ input: stream }).on('line', onLine);
    return started;
  };
  const stop = (): void => {
    if (child?.connected) child.send('stop' satisfies Order, () => {});
  };
  signal.addEventListener('abort', stop);
  return {
    train: (run) =>
      new Promise<Outcome>((settle) => {
        const own = (child ??= start());
        const done = (outcome: Outcome): void => {
          own.off('message', answered).off('exit', ended).off('error', broken);
          settle(outcome);
        };
        const answered = (outcome: unknown): void => done(outcome as Outcome);
        const ended = (code: number | null, by: string | null): void => {
          child = null;
          done({ kind: 'lost', reason: by ?? `exit code ${code}` });
        };
        const broken = (error: Error): void => {
          child = null;
          done({ kind: 'lost', reason: error.message });
        };
        own.on('message', answered).on('exit', ended).on('error', broken);
        const router = loadedRouter(run.settings.router);
        own.send({ train: run, threads, router } satisfies Order, (error) => {
          // Its end says the same, and how it came.
          if (error !== null && own.exitCode === null && own.signalCode === null) own.kill();
        });
        if (signal.aborted) stop();
      }),
    close: async () => {
      signal.removeEventListener('abort', stop);
      if (child === null || child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
    },
  };
}
