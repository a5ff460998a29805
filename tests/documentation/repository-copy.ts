/** A copy of this repository's sources in a temporary folder, to change. */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { type Change, changed } from './changes.ts';

export const repository: string = resolve(import.meta.dirname, '../..');

export interface RepositoryCopy extends AsyncDisposable {
  readonly root: string;
  /** Makes a change of a page in it. */
  make(change: Change): Promise<void>;
}

const FOLDERS = ['packages', 'apps', 'tests', 'scripts'];
/** Neither copied nor linked: they are made anew where they are needed. */
export const LEFT_OUT: ReadonlySet<string> = new Set(['node_modules', 'dist', 'generated', 'fixtures', '.turbo']);

/**
 * Copies the sources and tests of all packages, and the files at the root. Installed packages are linked; those of this
 * repository are the copies.
 */
export async function copyRepository(): Promise<RepositoryCopy> {
  const root = await mkdtemp(join(tmpdir(), 'lpr-walk-'));
  const files = await readdir(repository, { withFileTypes: true });
  for (const name of [...FOLDERS, ...files.flatMap((each) => (each.isFile() ? [each.name] : []))]) {
    const filter = (path: string): boolean => !LEFT_OUT.has(basename(path));
    await cp(join(repository, name), join(root, name), { recursive: true, filter });
  }
  await symlink(join(repository, 'node_modules'), join(root, 'node_modules'));
  for (const parent of ['.', 'packages', 'apps']) {
    for (const name of await readdir(join(root, parent))) {
      const folder = join(parent, name);
      if (existsSync(join(root, folder, 'package.json'))) await linkPackages(folder, root);
    }
  }
  return {
    root,
    async make(change) {
      const file = join(root, change.path);
      const text = await readFile(file, 'utf8').catch(() => null);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, changed(text, change));
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}

/** Links what a package has installed: others of this repository as they stand beside it in the copy. */
async function linkPackages(folder: string, root: string): Promise<void> {
  const [from, to] = [repository, root].map((base) => join(base, folder, 'node_modules')) as [string, string];
  await mkdir(join(to, '@lpr'), { recursive: true });
  for (const name of await readdir(from)) {
    if (name !== '@lpr') await symlink(join(from, name), join(to, name));
  }
  for (const name of await readdir(join(from, '@lpr')).catch(() => [])) {
    await symlink(join(root, 'packages', name), join(to, '@lpr', name));
  }
}
