/** Keeps two processes off one run folder: a file `lock` that names the process that works on it. */
import { open, readFile, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
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
  const throwIfHeld = async (): Promise<void> => {
    const holder = await readHolder(path);
    if (holder === null || (holder.host === own.host && !isRunning(holder.pid))) return;
    throw new Error(
      `${folder} is in use by process ${holder.pid} on ${holder.host}. Wait for it or stop it; if no such trainer runs, delete ${path}`,
    );
  };
  while (!(await createOnly(path, JSON.stringify(own)))) {
    await throwIfHeld();
    // One process at a time takes over, and looks again: another may just have done so.
    const turn = `${path}.takeover`;
    if (await createOnly(turn, '')) {
      try {
        await throwIfHeld();
        await rm(path, { force: true });
      } finally {
        await rm(turn, { force: true });
      }
    } else {
      await setTimeout(20);
      await removeOld(turn);
    }
  }
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

/** Milliseconds after which who wants to take over must have died: it takes some file operations. */
const TAKEOVER_TIMEOUT = 10_000;

async function removeOld(turn: string): Promise<void> {
  const made = await stat(turn).then(
    ({ mtimeMs }) => mtimeMs,
    () => Date.now(),
  );
  if (Date.now() - made > TAKEOVER_TIMEOUT) await rm(turn, { force: true });
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
