/** Making folders so that a process killed at any moment leaves what was there before or all of what is new. */
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isFolder, makeFolder } from '@lpr/guard';
import { syncFolder } from './files.ts';
import { lockFolder } from './lock.ts';
import { RUN_FILES } from './names.ts';

/**
 * Makes a folder that must not hold anything yet, with those above it.
 *
 * @throws Error that says what is in the way
 */
export async function makeEmptyFolder(path: string): Promise<void> {
  let content: string[];
  try {
    await makeFolder(path);
    content = await readdir(path);
  } catch (error) {
    throw new Error(`cannot make the folder ${path} (${String(error)}); choose another`, { cause: error });
  }
  refuseContent(path, content);
  await syncFolder(dirname(path));
}

/**
 * Makes a folder with what `write` puts into it, or none: all is written into a temporary folder beside it, synced, and
 * renamed, over an empty folder too. One that cannot be replaced gets the files one by one, each whole.
 *
 * @param write is given an empty folder
 * @throws Error that says what is in the way, or that another process writes the same folder; what `write` throws
 */
export async function writeFolder<Result>(path: string, write: (folder: string) => Promise<Result>): Promise<Result> {
  const target = resolve(path);
  const isThere = await isFolder(target);
  if (isThere) refuseContent(path, await readdir(target));
  else if (await exists(target)) {
    throw new Error(`${path} is there and is no folder, nor a link to one; choose another name`);
  }
  const isInside = isThere && !(await canReplace(target));
  const temporary = isInside ? join(target, '.new.tmp') : join(dirname(target), `.${basename(target)}.tmp`);
  // Beside the lock, which stays where it is: a process killed at any moment leaves nothing else in the new folder.
  const content = join(temporary, CONTENT);
  await makeFolder(temporary).catch((error: unknown) => {
    throw new Error(`cannot make the folder ${path} (${String(error)}); choose another`, { cause: error });
  });
  await refuseForeign(path, temporary);
  const unlock = await lockFolder(temporary);
  let result: Result;
  try {
    // What a process that was killed has left.
    await rm(content, { recursive: true, force: true });
    await mkdir(content);
    result = await write(content);
    await syncFiles(content);
    await (isInside ? moveInto(target, content) : putInPlace(target, content));
  } finally {
    await rm(content, { recursive: true, force: true });
    await unlock();
    // Unless another process has begun to use it.
    await rmdir(temporary).catch(() => {});
  }
  await syncFolder(target);
  await syncFolder(dirname(target));
  return result;
}

/** In the temporary folder: what is written. */
const CONTENT = 'content';

/** Throws when a folder of the name that is to be a temporary one is somebody else's. */
async function refuseForeign(path: string, temporary: string): Promise<void> {
  const own: readonly string[] = [CONTENT, RUN_FILES.lock, RUN_FILES.takeover];
  const foreign = (await readdir(temporary)).find((name) => !own.includes(name));
  if (foreign === undefined) return;
  throw new Error(
    `cannot write ${path}: it is made in ${temporary}, where there is ${JSON.stringify(foreign)}, which is none of ` +
      'its files; move that folder away, or choose another name',
  );
}

/**
 * Whether a folder can take the place of an empty one: not where that is mounted, holds what a killed process has left,
 * or lies in a folder that may not be written to. The one that this process works in would be lost to its shell.
 */
async function canReplace(target: string): Promise<boolean> {
  if (target === process.cwd()) return false;
  const probe = join(dirname(target), `.${randomUUID()}.tmp`);
  try {
    await mkdir(probe);
  } catch {
    return false;
  }
  try {
    await rename(probe, target);
    return true;
  } catch {
    await rmdir(probe);
    return false;
  }
}

async function putInPlace(target: string, content: string): Promise<void> {
  try {
    await rename(content, target);
  } catch (error) {
    if (await exists(target)) throw takenMeanwhile(target, error);
    throw error;
  }
}

/** Moves what is in a folder into another one, which holds nothing that counts. */
async function moveInto(target: string, content: string): Promise<void> {
  try {
    refuseContent(target, await readdir(target));
  } catch (error) {
    throw takenMeanwhile(target, error);
  }
  for (const name of await readdir(content)) await rename(join(content, name), join(target, name));
}

function takenMeanwhile(path: string, cause: unknown): Error {
  return new Error(`another process has written ${path} meanwhile, which was left as it is; choose another name`, {
    cause,
  });
}

async function syncFiles(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) await syncFolder(path);
    if (!entry.isFile()) continue;
    const file = await open(path, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
  await syncFolder(folder);
}

/** Names in a folder but for those that a process may have left which was killed before it wrote anything else. */
export function besidesLeftovers(names: readonly string[]): string[] {
  return names.filter((name) => !name.startsWith(RUN_FILES.lock) && !name.endsWith('.tmp'));
}

function refuseContent(path: string, content: readonly string[]): void {
  if (besidesLeftovers(content).length > 0) {
    throw new Error(`${path} already exists and is not empty; nothing in it was changed`);
  }
}

/** Whether anything is there, be it a link to nothing. */
async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}
