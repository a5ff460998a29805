/** Keeps two processes off one run folder: a file `lock` that names the process that works on it. */
import type { Stats } from 'node:fs';
import { lstat, open, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { readText } from '@lpr/guard';
import { z } from 'zod';
import { hasCode } from './files.ts';
import { RUN_FILES } from './names.ts';
import { workingProcess } from './processes.ts';
import { messageOf } from './plain.ts';
import { MAX_SMALL_FILE_BYTES, readSmall, type RunFiles, withFile } from './run-files.ts';

const holderSchema = z.strictObject({
  /** Of a process: 0 and negative numbers mean groups of them. */
  pid: z.int().min(1),
  host: z.string().min(1),
  /** When it began, as `workingProcess` says it. Locks of earlier versions lack it. */
  started: z.string().nullable().default(null),
  /** The job of Slurm that it is, where it is one: a job that is requeued has its number on another host too. */
  job: z.string().optional(),
});

type Holder = Readonly<z.infer<typeof holderSchema>>;

/** That another process works on a folder. */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError';
}

/**
 * Takes the lock of a folder. A lock left by a process that no longer runs on this host is taken over, and so is one
 * that was never written whole, once it is clear that nobody is about to.
 *
 * @returns gives the lock back
 * @throws FolderInUseError that names the process that holds it; Error that says that what lies in its place is no lock
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, RUN_FILES.lock);
  const job = ownJob();
  const own: Holder = {
    ...{ pid: process.pid, host: hostname(), started: (await workingProcess(process.pid))?.start ?? null },
    ...(job !== undefined && { job }),
  };
  /** Gives the holder that no longer runs; null when there is none. */
  const throwIfHeld = async (): Promise<Holder | null> => {
    const holder = await readHolder(path);
    if (holder === null || !(await isHeldBy(holder))) return holder;
    throw new FolderInUseError(
      `${folder} is in use by process ${holder.pid} on ${holder.host}. Wait for it or stop it; if no such trainer runs, delete ${path}`,
    );
  };
  const turn = join(folder, RUN_FILES.takeover);
  await entryOf(turn);
  while (!(await createOnly(path, JSON.stringify(own)))) {
    await throwIfHeld();
    // One process at a time takes over, and looks again: another may just have done so.
    if (await createOnly(turn, '')) {
      try {
        const gone = await throwIfHeld();
        // A file without a holder may be that of a process which made it this moment and has not written to it yet.
        if (gone !== null || (await ageOf(path)) > WRITE_TIMEOUT) await rm(path, { force: true });
      } finally {
        await rm(turn, { force: true });
      }
    } else if ((await ageOf(turn)) > TAKEOVER_TIMEOUT) {
      await rm(turn, { force: true });
    }
    await setTimeout(20);
  }
  // Whoever was about to take over has done so, or was killed when the old lock had just gone.
  await rm(turn, { force: true });
  return async () => await rm(path, { force: true });
}

/** Makes a file with this content; false when it is there already. */
async function createOnly(path: string, content: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/**
 * Milliseconds after which who made a lock, or wants to take one over, must have died: it takes some file operations.
 */
const WRITE_TIMEOUT = 1000;
const TAKEOVER_TIMEOUT = 10_000;

/** Milliseconds since a file of a lock was made, by whichever clock; 0 when it is gone. @throws Error as `entryOf` */
async function ageOf(path: string): Promise<number> {
  const entry = await entryOf(path);
  return entry === null ? 0 : Math.abs(Date.now() - entry.mtimeMs);
}

/** null when the file of a lock is gone. @throws Error when what is there is no file, be it a link to nothing */
async function entryOf(path: string): Promise<Stats | null> {
  const entry = await lstat(path).catch(() => null);
  if (entry !== null && !entry.isFile()) throw notALock(path, `it is no regular file but ${kindOf(entry)}`);
  return entry;
}

function kindOf(entry: Stats): string {
  if (entry.isSymbolicLink()) return 'a link';
  return entry.isDirectory() ? 'a folder' : 'a pipe or a device';
}

function notALock(path: string, why: string, cause?: unknown): Error {
  return new Error(`${path} is no lock that can be read (${why}); delete it if no trainer works there`, { cause });
}

/** Whether a process works on a run: its folder has a lock whose process runs. */
export async function isLocked(files: RunFiles): Promise<boolean> {
  const text = await withFile(files, RUN_FILES.lock, readSmall).catch(() => '');
  const holder = decodeHolder(text);
  return holder !== null && (await isHeldBy(holder));
}

function ownJob(): string | undefined {
  return process.env['SLURM_JOB_ID'];
}

/**
 * Whether a lock counts. Of a process on another host nobody here can tell, so its lock does, unless it was this very
 * job, which runs in one place at a time.
 */
async function isHeldBy({ pid, host, started, job }: Holder): Promise<boolean> {
  if (host !== hostname()) return job === undefined || job !== ownJob();
  const working = await workingProcess(pid);
  if (working === null) return false;
  // A number is given again: that of the first process of a container is always 1.
  return started === null || working.start === null || working.start === started;
}

/** null when the lock is gone or was never written whole. @throws Error when what is there is no lock */
async function readHolder(path: string): Promise<Holder | null> {
  if ((await entryOf(path)) === null) return null;
  try {
    return decodeHolder(await readText(path, MAX_SMALL_FILE_BYTES));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw notALock(path, messageOf(error), error);
  }
}

/** null when the text is not what `lockFolder` writes. */
function decodeHolder(text: string): Holder | null {
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
