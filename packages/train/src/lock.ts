/** Keeps two processes off one run folder: a file `lock` that names the process that works on it. */
import { open, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { hasCode } from './files.ts';

export const LOCK_FILE = 'lock';

interface Holder {
  readonly pid: number;
  readonly host: string;
}

/**
 * Takes the lock of a folder. A lock left by a process that no longer runs on this host is taken over.
 *
 * @returns gives the lock back
 * @throws Error that names the process that holds it
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, LOCK_FILE);
  const own: Holder = { pid: process.pid, host: hostname() };
  for (;;) {
    try {
      const file = await open(path, 'wx');
      try {
        await file.writeFile(JSON.stringify(own));
      } finally {
        await file.close();
      }
      return async () => await rm(path, { force: true });
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
    const holder = await readHolder(path);
    if (holder !== null && (holder.host !== own.host || isRunning(holder.pid))) {
      throw new Error(
        `${folder} is in use by process ${holder.pid} on ${holder.host}. Wait for it or stop it; if no such trainer runs, delete ${path}`,
      );
    }
    await rm(path, { force: true });
  }
}

/**
 * Whether a process works on a run: its folder has a lock whose process runs. Of a process on another host nobody here can tell;
 * its lock counts.
 */
export async function isLocked(folder: string): Promise<boolean> {
  const holder = await readHolder(join(folder, LOCK_FILE));
  return holder !== null && (holder.host !== hostname() || isRunning(holder.pid));
}

/** null when the lock is gone or was never written whole. */
async function readHolder(path: string): Promise<Holder | null> {
  try {
    const { pid, host } = JSON.parse(await readFile(path, 'utf8')) as Partial<Holder>;
    return typeof pid === 'number' && typeof host === 'string' ? { pid, host } : null;
  } catch (error) {
    if (error instanceof SyntaxError || hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    // Signal 0 only asks whether the process exists.
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}
