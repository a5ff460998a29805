/** Opens files that may be pipes or devices, or larger than what is looked for. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/**
 * Opens a file to read.
 *
 * @throws the error of the file system; an Error, which does not name the path, for what is no regular file: a pipe in
 *   its place would never end
 */
export async function openRegular(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new Error('it is no regular file');
}

/**
 * The text of an open file.
 *
 * @param most bytes that it may have
 * @throws Error when it has more
 */
export async function textOf(file: FileHandle, most: number): Promise<string> {
  const { size } = await file.stat();
  if (size > most) throw new Error(`it has ${size} bytes, more than such a file ever holds (${most})`);
  return await file.readFile('utf8');
}

/**
 * Names the file in what is wrong with it, where that does not name it: the errors of the file system do.
 *
 * @param path of the file, or what it is called
 * @param work that reads it
 * @param Problem the kind of error to throw
 */
export async function named<Result>(
  path: string,
  work: Promise<Result>,
  Problem: new (message: string, options: ErrorOptions) => Error = Error,
): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Error) || 'code' in error) throw error;
    throw new Problem(`${path}: ${error.message}`, { cause: error });
  }
}

/** The text of a file. @throws Error as `openRegular` and `textOf` do */
export async function readText(path: string, most: number): Promise<string> {
  const file = await openRegular(path);
  try {
    return await textOf(file, most);
  } finally {
    await file.close();
  }
}
