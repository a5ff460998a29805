/** What documents say of this repository: paths and links lead somewhere, and the layout is the one that there is. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { markdownFiles } from '@lpr/results/node';
import { describe, expect, it } from 'vitest';
import { repository } from './repository-copy.ts';

const documents = await Promise.all(
  (await markdownFiles(repository)).map(
    async (file) => [file, await readFile(join(repository, file), 'utf8')] as const,
  ),
);

/** Paths that a text names, without those that stand for many or are not written here. */
function pathsIn(text: string): string[] {
  const names = text.matchAll(/(?<![\w/.@-])((?:packages|apps|tests|bench|scripts|docs)\/[\w./*{},<>-]*)/g);
  return Array.from(names, ([, name]) => name!.replace(/[.,]+$/, '')).filter(
    (name) => !/[*{}<>]|NAME|\bdist\b/.test(name),
  );
}

describe('documents', () => {
  it.each(documents)('%s names paths that there are', (file, text) => {
    // What a walk makes anew is not there yet.
    const made = Array.from(text.matchAll(/^--- \/dev\/null\n\+\+\+ b\/(\S+)$/gm), ([, path]) => path!);
    const isThere = (path: string): boolean =>
      existsSync(join(repository, path)) || existsSync(join(repository, dirname(file), path)) || made.includes(path);
    expect(pathsIn(text).filter((path) => !isThere(path))).toEqual([]);
  });

  it.each(documents)('%s has links that lead somewhere', (file, text) => {
    const links = Array.from(text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g), ([, link]) => link!);
    const isThere = (link: string): boolean =>
      /^[a-z]+:/.test(link) || existsSync(join(repository, dirname(file), link));
    expect(links.filter((link) => !isThere(link))).toEqual([]);
  });
});

describe('docs/layout.md', async () => {
  const layout = await readFile(join(repository, 'docs/layout.md'), 'utf8');
  /** Names as the page writes them: apps, tests and bench by their folders. */
  const floors = new Map(
    Array.from(layout.matchAll(/^ {2}(\d) {2,}(.*)$/gm)).flatMap(([, floor, names]) =>
      names!.split(/ +/).map((name) => [name, Number(floor)] as const),
    ),
  );
  const rows = Array.from(layout.matchAll(/^\| `([\w/-]+)` *\|[^|]*\|([^|]*)\|$/gm), ([, folder, names]) => ({
    folder: folder!,
    imports: Array.from(names!.matchAll(/`([\w-]+)`/g), ([, name]) => name!),
  }));

  it('shows every package with what it imports', async () => {
    const manifests = await Promise.all(
      rows.map(async ({ folder }) => JSON.parse(await readFile(join(repository, folder, 'package.json'), 'utf8'))),
    );
    expect(rows.map(({ imports }) => imports)).toEqual(
      (manifests as { dependencies?: object }[]).map(({ dependencies = {} }) =>
        Object.keys(dependencies)
          .flatMap((name) => (name.startsWith('@lpr/') ? [name.slice('@lpr/'.length)] : []))
          .toSorted(),
      ),
    );
    const folders = rows.map(({ folder }) => folder.replace('packages/', ''));
    expect(folders.toSorted()).toEqual([...floors.keys()].toSorted());
    expect(folders.length).toBeGreaterThan(12);
  });

  it('puts every package above all that it imports', () => {
    for (const { folder, imports } of rows) {
      const own = floors.get(folder.replace('packages/', ''))!;
      for (const name of imports) {
        const below = floors.get(name) ?? floors.get(`apps/${name}`)!;
        expect(own, `${folder} above ${name}`).toBeGreaterThan(below);
      }
    }
  });
});
