/** Writing files so that a process killed at any moment leaves the old content or the new one, never half of it. */
import { createHash, randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { named, openRegular } from '@lpr/guard';
import { workingProcess } from './processes.ts';

/** The SHA-256 sum of some bytes or text, in hexadecimal digits. */
export function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** What a file is to hold: all of it, or piece after piece. */
export type FileContent = Uint8Array | string | AsyncIterable<Uint8Array>;

/** Bytes that are hashed and written at once: what else waits for this thread waits no longer than for these. */
const PIECE_BYTES = 4 * 2 ** 20;

/**
 * Writes a new file and waits until the disk has it. Throws when the file exists.
 *
 * @returns the SHA-256 sum of its content
 */
export async function writeSynced(path: string, content: FileContent): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  try {
    for await (const whole of typeof content === 'string' || content instanceof Uint8Array ? [content] : content) {
      const bytes = typeof whole === 'string' ? Buffer.from(whole) : whole;
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        const piece = bytes.subarray(at, at + PIECE_BYTES);
        hash.update(piece);
        await file.writeFile(piece);
      }
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** The SHA-256 sum of a file, and its size. */
export async function sha256OfFile(path: string): Promise<{ readonly sum: string; readonly bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await named(path, openRegular(path));
  // The stream closes the file.
  for await (const piece of file.createReadStream({ highWaterMark: PIECE_BYTES }) as AsyncIterable<Buffer>) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { sum: hash.digest('hex'), bytes };
}

/** Makes what was created, renamed or removed in a folder outlast a power failure. */
export async function syncFolder(path: string): Promise<void> {
  // Windows cannot open folders; renames are journalled there.
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Temporary files of this thread, each while it is written. */
const underWay = new Set<string>();

const HOST = sha256(hostname()).slice(0, 8);
/** Who writes: one process of one host, and one of its threads. */
const WRITER = `${HOST}-${process.pid}-${threadId}`;

/**
 * Of temporary files that are to become this one, those whose process was killed. Of processes of other hosts nobody
 * here can tell.
 */
async function leftFor(path: string): Promise<string[]> {
  const sum = sumOfName(path);
  // One may be allowed to write where one may not look.
  const names = await readdir(dirname(path)).catch(() => []);
  return await leftAmong(
    dirname(path),
    names.filter((name) => TEMPORARY.exec(name)?.[1] === sum),
  );
}

/**
 * Removes the temporary files in a folder whose process was killed. Only for who keeps the processes of other hosts off
 * the folder: theirs are removed.
 */
export async function removeLeft(folder: string): Promise<void> {
  const names = await readdir(folder);
  const elsewhere = names.filter((name) => (TEMPORARY.exec(name)?.[2] ?? HOST) !== HOST);
  const left = [...elsewhere.map((name) => join(folder, name)), ...(await leftAmong(folder, names))];
  for (const path of left) await rm(path, { force: true });
}

/** The paths of temporary files that a killed process of this host has left. */
async function leftAmong(folder: string, names: readonly string[]): Promise<string[]> {
  const left: string[] = [];
  for (const name of names) {
    const [, , host, pid] = TEMPORARY.exec(name) ?? [];
    if (host !== HOST) continue;
    // A number is given again: that of the first process of a container is always 1.
    const isOwn = name.includes(`.${WRITER}-`);
    const isLeft = isOwn ? !underWay.has(name) : (await workingProcess(Number(pid))) === null;
    if (isLeft) left.push(join(folder, name));
  }
  return left;
}

/** Names of temporary files: the file's, shortened, and who writes it. */
const TEMPORARY = /^\.([\da-f]{16})\.([\da-f]{8})-(\d+)-\d+-[\da-f]{8}\.tmp$/;

function sumOfName(path: string): string {
  return sha256(basename(path)).slice(0, 16);
}

/**
 * Writes a file whole: under a temporary name, synced, then renamed over the file that was there. What killed processes
 * have left of it is removed.
 *
 * @throws Error when what is there is no file, such as a folder or a device: nothing replaces those
 */
export async function writeWhole(path: string, content: Uint8Array | string): Promise<void> {
  const before = await stat(path).catch(() => null);
  if (before !== null && !before.isFile()) throw new Error(`${path} is there and is no file; choose another name`);
  for (const left of await leftFor(path)) await rm(left, { force: true });
  const name = `.${sumOfName(path)}.${WRITER}-${randomUUID().slice(0, 8)}.tmp`;
  const temporary = join(dirname(path), name);
  underWay.add(name);
  try {
    await writeSynced(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    underWay.delete(name);
  }
  await syncFolder(dirname(path));
}

/** Whether an error of the file system has this code ('ENOENT', 'EEXIST', ...). */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
