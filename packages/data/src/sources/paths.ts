/**
 * Local files by path or glob. Node only.
 */

import { existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { glob } from 'tinyglobby';

/**
 * The files that paths and globs (`*`, `**`, `?`, `{a,b}`) name, each once: in the order of the patterns, those of one
 * glob by name.
 *
 * @throws Error naming the pattern that names no file
 */
export async function findPaths(owner: string, patterns: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
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
    for (const path of paths.toSorted()) {
      found.add(path);
    }
  }
  return [...found];
}

/** A file's real path, size and time of change: what tells its content from another's without reading it. */
export async function fileIdentity(
  owner: string,
  path: string,
): Promise<{ path: string; size: number; changed: number }> {
  try {
    const { size, mtimeMs } = await stat(path);
    return { path: await realpath(path), size, changed: mtimeMs };
  } catch (cause) {
    throw new Error(`${owner}: cannot read ${path} (${String(cause)}).`, { cause });
  }
}

/** What a file is called without folders and endings: the domain of a source that gives none. */
export function stem(path: string): string {
  return path.replace(/^.*[/\\]/, '').replace(/(?<=.)\..*$/, '');
}
