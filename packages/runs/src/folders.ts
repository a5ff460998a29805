/** Making folders so that a process killed at any moment leaves what was there before or all of what is new. */
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { makeFolder } from '@lpr/guard';
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
 * renamed. An empty folder that is there (a mounted one cannot be replaced) gets the files one by one, each whole.
 *
 * @param write is given the temporary folder
 * @throws Error that says what is in the way, or that another process writes the same folder; what `write` throws
 */
export async function writeFolder<Result>(path: string, write: (folder: string) => Promise<Result>): Promise<Result> {
  const target = resolve(path);
  const isThere = await isFolder(target);
  if (isThere) refuseContent(path, await readdir(target));
  else if (await exists(target)) throw new Error(`${path} is there and is no folder; choose another name`);
  const temporary = isThere ? join(target, '.new.tmp') : join(dirname(target), `.${basename(target)}.tmp`);
  await makeFolder(temporary).catch((error: unknown) => {
    throw new Error(`cannot make the folder ${path} (${String(error)}); choose another`, { cause: error });
  });
  const unlock = await lockFolder(temporary);
  try {
    // What a process that was killed has left.
    for (const name of await contentOf(temporary)) await rm(join(temporary, name), { recursive: true });
    const result = await write(temporary);
    await syncFiles(temporary);
    if (isThere) {
      for (const name of await contentOf(temporary)) await rename(join(temporary, name), join(target, name));
      await rm(temporary, { recursive: true });
      await syncFolder(target);
    } else {
      await rename(temporary, target);
      // Only now, so that no other process takes the folder for left by a killed one.
      await rm(join(target, RUN_FILES.lock), { force: true });
    }
    await syncFolder(dirname(target));
    return result;
  } catch (error) {
    await unlock();
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Names in a folder but for its lock. */
async function contentOf(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.startsWith(RUN_FILES.lock));
}

async function syncFiles(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = await open(join(entry.parentPath, entry.name), 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
  await syncFolder(folder);
}

/** A process that was killed before it wrote anything else may have left a lock and temporaries. */
function refuseContent(path: string, content: readonly string[]): void {
  if (content.some((name) => !name.startsWith(RUN_FILES.lock) && !name.endsWith('.tmp'))) {
    throw new Error(`${path} already exists and is not empty; nothing in it was changed`);
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
}
