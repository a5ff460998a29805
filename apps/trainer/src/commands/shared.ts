/**
 * What commands have in common: a device and data with Ctrl-C and clean ends, folders for results, paths as they are
 * shown.
 */
import { access, constants, mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve as resolvePath } from 'node:path';
import type { Tokenizer } from '@lpr/data';
import { makeFolder } from '@lpr/guard';
import { besidesLeftovers, hasCode } from '@lpr/runs';
import type { Device } from '@lpr/tensor';
import { UsageError, unknownName } from '../cli/errors.ts';
import { INTERRUPTED, listenForInterrupt } from '../cli/interrupt.ts';
import { createProgress, type Progress } from '../cli/progress.ts';
import { joinRanks } from '../cli/ranks.ts';
import { Sessions } from '../pool/sessions.ts';
import { largestOnGpu } from '../run/fitting.ts';
import { openDevice, type Session } from '../run/session.ts';
import { asksForFittingBatch, isWritten, type SettingOptions } from '../settings/resolve.ts';
import { DEVICES, type Settings } from '../settings/schema.ts';

export interface RunCommandOptions extends SettingOptions {
  readonly out?: string;
}

/** Of commands that may train several runs. */
export interface ManyRunsOptions {
  readonly out?: string | undefined;
  /** Runs that train at a time, each in a process of its own; 1: one after the other in this one. */
  readonly parallel?: number | undefined;
}

/** Of commands that may train several seeds. */
export interface ComparisonOptions extends SettingOptions, ManyRunsOptions {
  /** How many, or which. */
  readonly seeds?: string;
}

/** What a command works with, and when it is to stop. */
export interface Working {
  readonly progress: Progress;
  /** The folder of what is trained. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/**
 * Prepares what `body` needs, then listens for Ctrl-C, and cleans up. `body` says whether it finished.
 *
 * Until the text is read Ctrl-C ends the process at once: there is nothing to save but what the cache has already, and
 * no folder is there yet.
 *
 * @param claim gives the folder, made where it is a new one
 */
export async function interruptible<Prepared>(
  claim: () => Promise<string>,
  prepare: (sessions: Sessions) => Promise<Prepared>,
  body: (prepared: Prepared, working: Working) => Promise<boolean>,
): Promise<void> {
  const progress = createProgress(process.stderr, process.env);
  const sessions = new Sessions(progress, await joinRanks());
  let interrupt: ReturnType<typeof listenForInterrupt> | null = null;
  try {
    const prepared = await prepare(sessions);
    interrupt = listenForInterrupt(() => progress.note('stopping after this step; Ctrl-C again to stop at once'));
    const folder = await claim();
    if (!(await body(prepared, { progress, folder, signal: interrupt.signal }))) {
      progress.note(`stopped and saved. Go on with: pnpm trainer resume ${shown(folder)}`);
      process.exitCode = INTERRUPTED;
    }
  } finally {
    progress.end();
    interrupt?.stop();
    await sessions.close();
  }
}

/**
 * Opens the session of a run for `body`, as `interruptible` does.
 *
 * @param tokenizer in place of the one that the settings name
 */
export async function inSession(
  settings: Settings,
  claim: () => Promise<string>,
  body: (session: Session, working: Working) => Promise<boolean>,
  tokenizer?: Tokenizer,
): Promise<void> {
  await interruptible(claim, (sessions) => sessions.of(settings, tokenizer), body);
}

/**
 * The folder for new runs: `--out`, or the first free `runs/<command>-<number>`.
 *
 * @returns gives the folder; where its name is not given it is made then
 * @throws UsageError when `--out` exists and is not empty; Error when its parent cannot be written
 */
export async function outFolder(out: string | undefined, command: string): Promise<() => Promise<string>> {
  if (out === undefined) {
    await checkWritable('runs');
    return async () => {
      await makeFolder('runs');
      for (let number = 1; ; number++) {
        const folder = join('runs', `${command}-${number}`);
        // Made here and now: of several that start at once each has a folder of its own.
        if (await isClaimed(folder)) return folder;
      }
    };
  }
  const content = await contentOf(out);
  if (content !== null && besidesLeftovers(content).length > 0) {
    throw new UsageError(
      `${out} already exists and is not empty; nothing in it was changed. ` +
        `Go on with what is there: pnpm trainer resume ${out}. Start anew: choose another --out`,
    );
  }
  await checkWritable(out);
  return async () => out;
}

/** Makes a folder; false when something is there already. */
async function isClaimed(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw new UsageError(`cannot make the folder ${folder} (${String(error)}); name another with --out`);
  }
}

/**
 * Throws unless a file can be made at the path: found out before minutes of work.
 *
 * @throws UsageError when its folder is not there or cannot be written, or something else than a file is in its place
 */
export async function checkOutFile(out: string): Promise<void> {
  const folder = dirname(out);
  if ((await contentOf(folder)) === null)
    throw new UsageError(`--out ${out}: there is no folder ${folder}; make it first`);
  const before = await stat(out).catch(() => null);
  if (before?.isFile() === false) throw new UsageError(`--out ${out}: that is no file; choose another`);
  await checkWritable(folder);
}

/**
 * Throws unless the path, or the nearest folder above it that exists, can be written to: found out before minutes of
 * work.
 */
async function checkWritable(out: string): Promise<void> {
  let path = resolvePath(out);
  while ((await contentOf(path)) === null) path = dirname(path);
  await access(path, constants.W_OK).catch((error: unknown) => {
    throw new UsageError(`--out ${out}: cannot write to ${path} (${String(error)}); choose another`);
  });
}

/** Names in a folder; null when nothing is there. */
async function contentOf(path: string): Promise<string[] | null> {
  try {
    return (await stat(path)).isDirectory() ? await readdir(path) : [path];
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw new UsageError(`--out ${path}: ${String(error)}; choose another`);
  }
}

export function shown(path: string): string {
  return relative('.', path) || '.';
}

/** Where to compute, for commands that use a finished model. */
export interface DeviceOptions {
  readonly device?: string;
  readonly threads?: number;
}

/** Starts a device and frees it in the end. */
export async function withDevice<Result>(
  { device = 'wasm', threads }: DeviceOptions,
  body: (device: Device) => Promise<Result>,
): Promise<Result> {
  const name = DEVICES.find((known) => known === device);
  if (name === undefined) throw unknownName('device', device, DEVICES);
  const opened = await openDevice({ device: name, threads: threads ?? null });
  try {
    return await body(opened);
  } finally {
    await opened.dispose();
  }
}

/** Options with what the GPU of this machine holds in one tensor, where they leave the batch to what fits there. */
export async function withLimits<Options extends SettingOptions>(options: Options): Promise<Options> {
  if (!asksForFittingBatch(options) || !isWritten(options, 'device')) return options;
  return { ...options, largestTensor: await largestOnGpu() };
}
