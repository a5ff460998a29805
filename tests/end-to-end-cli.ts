/** Runs the command line of the trainer as a user does. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, compiled } from '../scripts/compiled.ts';

/** Shared by the children of one test file, so that the tokenizer is trained once. */
export const cache = mkdtempSync(join(tmpdir(), 'lpr-cache-'));

/** The process that `runTrainer` has its commands run in. */
let host: ChildProcess | undefined;

/** Ends what the functions here have left: a process and the cache. */
export function cleanUp(): void {
  host?.removeAllListeners('exit').kill('SIGKILL');
  rmSync(cache, { recursive: true });
}

export interface Outcome {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly outcome: Promise<Outcome>;
}

export interface ChildOptions {
  /** Variables beside those of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** In place of the trainer. */
  readonly app?: App;
  /** Words that run it, in place of those of what is compiled. */
  readonly program?: readonly string[];
  /** Words before it, of a program that starts it. */
  readonly launcher?: readonly string[];
  /** No file may grow beyond this, as on a full disk. */
  readonly fileBytes?: number;
  /** What a shell does before it becomes the process: sets a limit. */
  readonly under?: string;
  /** Of Node. */
  readonly flags?: readonly string[];
}

/** What `pnpm trainer`, or another app of that name, runs, as words of a command line and variables. */
export function trainerCommand(
  app: App = 'trainer',
  program: readonly string[] = compiled(app),
): { words: readonly [string, ...string[]]; env: NodeJS.ProcessEnv } {
  return { words: [process.execPath, ...program], env: { ...process.env, XDG_CACHE_HOME: cache, NO_COLOR: '1' } };
}

/**
 * Starts `pnpm trainer ...args` (less pnpm), or another app, as a process of its own, in a working directory of its
 * own.
 */
export function startTrainer(
  args: readonly string[],
  cwd: string = tmpdir(),
  { fileBytes, environment, app, program, under = limitOf(fileBytes), flags = [], launcher = [] }: ChildOptions = {},
): Running {
  const { words, env } = trainerCommand(app, program);
  const [node, ...main] = words;
  const started = [...launcher, node, ...flags, ...main, ...args] as unknown as readonly [string, ...string[]];
  const [command, ...parameters] =
    under === undefined ? started : (['/bin/sh', '-c', `${under}; exec "$0" "$@"`, ...started] as const);
  const child = spawn(command, parameters, {
    cwd,
    env: { ...env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const outcome = new Promise<Outcome>((settle, fail) => {
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', fail).on('close', (code) => settle({ code, stdout, stderr }));
  });
  return { child, outcome };
}

function limitOf(fileBytes: number | undefined): string | undefined {
  if (fileBytes === undefined) return undefined;
  // The shell's unit is 512 bytes. The signal that goes with the limit would end the process before it sees the error.
  return `trap '' XFSZ; ulimit -f ${Math.ceil(fileBytes / 512)}`;
}

/**
 * Runs `pnpm trainer ...args` to its end, one after another in one process that has loaded the program: for all that
 * does not look at the process itself.
 */
export async function runTrainer(
  args: readonly string[],
  cwd: string = tmpdir(),
  environment: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  host ??= startHost();
  host.send({ args, cwd, environment });
  const [outcome] = (await once(host, 'message')) as [Outcome];
  return outcome;
}

function startHost(): ChildProcess {
  const { words, env } = trainerCommand();
  const [execPath, ...execArgv] = words;
  const main = execArgv.pop()!;
  const own = fork(join(import.meta.dirname, 'end-to-end-host.mjs'), [main], { execPath, execArgv, env });
  // Whoever waits for a message gets the error instead.
  return own.once('exit', (code) => own.emit('error', new Error(`the trainer ended by itself with ${code}`)));
}

/** As `runTrainer`, of `pnpm dashboard`. */
export async function runDashboard(args: readonly string[]): Promise<Outcome> {
  return await startTrainer(args, undefined, { app: 'dashboard' }).outcome;
}
