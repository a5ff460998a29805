/** Globs of the files of a dataset. They may be those of its card, and so of anyone. Node only. */

import { withinTime } from '@lpr/guard';
import picomatch from 'picomatch';
import { excerptOf } from '../excerpt.ts';

/** As the hub's own library has them: `[!a]` is anything but `a`, and a `!` before a path is part of it. */
const OPTIONS: picomatch.PicomatchOptions = { posix: true, nonegate: true };
/** Milliseconds for all globs: some take a time that doubles with each of their wildcards. */
const LIMIT = 2000;
const LIMIT_A_PATH = 0.1;

export interface Glob {
  readonly pattern: string;
  /** The folder that all its matches are in, empty for the dataset's own. */
  readonly folder: string;
  readonly matches: (path: string) => boolean;
}

/** @throws Error naming the dataset and the pattern that is none */
export function parseGlobs(dataset: string, patterns: readonly string[]): Glob[] {
  const given = patterns.map((pattern) => ({ pattern }));
  return withEach(dataset, given, LIMIT, ({ pattern }) => {
    const matches = picomatch(pattern, OPTIONS);
    return { pattern, folder: fixedFolder(pattern), matches: (path) => matches(path) };
  });
}

/** Those of some paths that a glob matches. @throws Error naming the dataset and the pattern that takes too long */
export function matchingPaths(dataset: string, globs: readonly Glob[], paths: readonly string[]): Set<string> {
  const limit = LIMIT + LIMIT_A_PATH * paths.length;
  return new Set(withEach(dataset, globs, limit, ({ matches }) => paths.filter(matches)).flat());
}

/** Works with one pattern after the other, and names the one that it stops at. */
function withEach<Given extends { readonly pattern: string }, Result>(
  dataset: string,
  given: readonly Given[],
  milliseconds: number,
  work: (one: Given) => Result,
): Result[] {
  let pattern = '';
  try {
    return withinTime(milliseconds, 'looking for what matches', () =>
      given.map((one) => {
        ({ pattern } = one);
        return work(one);
      }),
    );
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `hub: ${dataset}: cannot use the pattern ${excerptOf(pattern)} (${reason}). ` +
        'Name files, or globs with fewer wildcards, by "paths".',
      { cause },
    );
  }
}

function fixedFolder(pattern: string): string {
  const { base, isGlob } = picomatch.scan(pattern, { ...OPTIONS, unescape: true });
  return isGlob ? base : base.replace(/(^|\/)[^/]*$/, '');
}
