/**
 * Local files by path or glob. Node only.
 */

import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { glob } from 'tinyglobby';

/**
 * The files that paths and globs (`*`, `**`, `?`, `{a,b}`) name, each once however it is written: in the order of the
 * patterns, those of one glob by name.
 *
 * @throws Error naming the pattern that names no file
 */
export async function findPaths(owner: string, patterns: readonly string[]): Promise<string[]> {
  const found = new Map<string, string>();
  for (const pattern of patterns) {
    // A path that exists is meant, even if it reads as a glob.
    const options = { expandDirectories: false, dot: true, absolute: isAbsolute(pattern) };
    const paths = existsSync(pattern) ? [pattern] : await glob(pattern, options);
    if (paths.length === 0) {
      throw new Error(
        `${owner}: cannot read ${pattern}: no file has this name or matches it. ` +
          `Paths are relative to ${process.cwd()}; check the spelling.`,
      );
    }
    const places = await Promise.all(paths.toSorted().map(async (path) => [await realpath(path), path] as const));
    for (const [place, path] of places) {
      found.set(place, found.get(place) ?? path);
    }
  }
  return [...found.values()];
}
