/** The program as `environment.json` of its runs names it: versions of the packages that decide results, commit. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Commit } from '@lpr/runs';

export function packageVersions(): Record<string, string> {
  const names = ['tensor', 'moe', 'model', 'data', 'metrics'].map((name) => `@lpr/${name}`);
  return Object.fromEntries(names.map((name) => [name, versionOf(name)]));
}

function versionOf(name: string): string {
  const entry = createRequire(import.meta.url).resolve(name);
  // The entry lies in src or dist.
  const file = join(dirname(dirname(entry)), 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

const GIT_MILLISECONDS = 5000;

/**
 * The commit of the git checkout that a folder of the program lies in; null elsewhere: where git does not know the
 * folder's `package.json`, as of a program that was installed into someone else's project, or there is no git.
 *
 * @param folder of a package; this one unless given
 */
export async function programCommit(folder: string = dirname(import.meta.dirname)): Promise<Commit | null> {
  const git = async (...words: string[]): Promise<string> => {
    // Variables such as GIT_DIR are about another repository.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')));
    const { stdout } = await promisify(execFile)('git', ['--no-optional-locks', '-C', folder, ...words], {
      env,
      timeout: GIT_MILLISECONDS,
      windowsHide: true,
    });
    return stdout.trim();
  };
  try {
    await git('ls-files', '--error-unmatch', 'package.json');
    const id = await git('rev-parse', 'HEAD');
    return { id, dirty: (await git('status', '--porcelain', '--untracked-files=no')) !== '' };
  } catch {
    return null;
  }
}
