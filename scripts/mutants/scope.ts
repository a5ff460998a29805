/** What is mutated: whole sources, or the lines of them that differ from a commit. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Lines of a file, both ends included. */
export interface Lines {
  readonly file: string;
  readonly first: number;
  readonly last: number;
}

/** All TypeScript sources of a package but those that test, as paths from the root of the repository. */
export function sourcesOf(folder: string): string[] {
  return readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('testing/'))
    .map((name) => join(folder, 'src', name))
    .sort();
}

/**
 * The lines that a difference without context (`git diff --unified=0`) adds or changes. Where lines are only taken
 * away, that is the one before them: its statement may have lost its end.
 */
export function changedLines(difference: string): Lines[] {
  const changed: Lines[] = [];
  let file = '';
  for (const line of difference.split('\n')) {
    if (line.startsWith('+++ ')) file = line.slice('+++ b/'.length);
    const [, first, count] = /^@@ -\S+ \+(\d+)(?:,(\d+))? @@/.exec(line) ?? [];
    if (first !== undefined) {
      changed.push({
        file,
        first: Math.max(1, Number(first)),
        last: Number(first) + Math.max(1, Number(count ?? 1)) - 1,
      });
    }
  }
  return changed;
}

/** The lines of files that differ from where this branch left a commit, those not yet committed included. */
export function linesSince(commit: string, files: readonly string[]): Lines[] {
  const git = (...words: string[]): string => execFileSync('git', words, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const base = git('merge-base', commit, 'HEAD').trim();
  const added = git('ls-files', '--others', '--exclude-standard', '--', ...files).split('\n');
  return [
    ...changedLines(git('diff', '--unified=0', '--diff-filter=d', base, '--', ...files)),
    ...added.filter((file) => file !== '').map((file) => ({ file, first: 1, last: Number.MAX_SAFE_INTEGER })),
  ];
}

/** Stryker's pattern for the mutants that lie wholly in these lines. */
export const patternOf = ({ file, first, last }: Lines): string =>
  last === Number.MAX_SAFE_INTEGER ? file : `${file}:${first}-${last}`;
