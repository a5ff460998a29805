/**
 * What commands have in common: a device and data with Ctrl-C and clean ends, folders for results, paths as they are
 * shown.
 */
import { access, constants, mkdir, readdir, rmdir, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve as resolvePath } from 'node:path';
import type { Tokenizer } from '@lpr/data';
import { makeFolder } from '@lpr/guard';
import { hasCode } from '@lpr/runs';
import type { Device } from '@lpr/tensor';
import { UsageError, unknownName } from '../cli/errors.ts';
import { INTERRUPTED, listenForInterrupt } from '../cli/interrupt.ts';
import { createProgress } from '../cli/progress.ts';
import { openDevice, openSession, type Session } from '../run/session.ts';
import type { SettingOptions } from '../settings/resolve.ts';
import { DEVICES, type Settings } from '../settings/schema.ts';

export interface RunCommandOptions extends SettingOptions {
  readonly out?: string;
}

/** Of commands that may train several seeds. */
export interface ComparisonOptions extends RunCommandOptions {
  /** How many, or which. */
  readonly seeds?: string;
}

/**
 * Opens a session, listens for Ctrl-C, and cleans up. `body` says whether it finished.
 *
 * Until the text is read Ctrl-C ends the process at once: there is nothing to save but what the cache has already.
 *
 * @param tokenizer in place of the one that the settings name
 */
export async function inSession(
  settings: Settings,
  folder: string,
  body: (session: Session, signal: AbortSignal) => Promise<boolean>,
  tokenizer?: Tokenizer,
): Promise<void> {
  const progress = createProgress(process.stderr, process.env);
  let session: Session | null = null;
  let interrupt: ReturnType<typeof listenForInterrupt> | null = null;
  try {
    session = await openSession(settings, progress, tokenizer);
    interrupt = listenForInterrupt(() => progress.note('stopping after this step; Ctrl-C again to stop at once'));
    if (!(await body(session, interrupt.signal))) {
      progress.note(`stopped and saved. Go on with: pnpm trainer resume ${shown(folder)}`);
      process.exitCode = INTERRUPTED;
    }
  } finally {
    progress.end();
    interrupt?.stop();
    await session?.device.dispose();
    // A folder that nothing was written to is given back.
    await rmdir(folder).catch(() => {});
  }
}

/**
 * The folder for a new run: `--out`, or the first free `runs/<command>-<number>`, which is made.
 *
 * @throws UsageError when `--out` exists and is not empty; Error when its parent cannot be written
 */
export async function outFolder(out: string | undefined, command: string): Promise<string> {
  if (out === undefined) {
    await checkWritable('runs');
    await makeFolder('runs');
    for (let number = 1; ; number++) {
      const folder = join('runs', `${command}-${number}`);
      // Made here and now: of several that start at once each has a folder of its own.
      if (await isClaimed(folder)) return folder;
    }
  }
  const content = await contentOf(out);
  if (content !== null && content.length > 0) {
    throw new UsageError(
      `${out} already exists and is not empty; nothing in it was changed. ` +
        `Go on with what is there: pnpm trainer resume ${out}. Start anew: choose another --out`,
    );
  }
  await checkWritable(out);
  return out;
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
