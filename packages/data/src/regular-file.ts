/** Files that may come from strangers. Node only. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * The text of a file.
 *
 * @param most bytes that it may have
 * @throws the error of the file system; Error for one that is larger, or what is no regular file: a pipe never ends
 */
export async function readRegularText(path: string, most: number): Promise<string> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const entry = await file.stat();
    if (!entry.isFile()) throw new Error(`${path} is no regular file`);
    if (entry.size > most) throw new Error(`${path} has ${entry.size} bytes, more than the ${most} that one may have`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
