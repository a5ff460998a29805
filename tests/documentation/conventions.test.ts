/** What a reader may rely on in every file: how it is called, how it begins, how it writes privacy and comments. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LEFT_OUT, repository } from './repository-copy.ts';

const LONGEST_COMMENT = 120;

/** Paths below the root of all files in some folders that this repository holds. */
async function filesOf(folders: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    folders.map(async (folder): Promise<string[]> => {
      const entries = await readdir(join(repository, folder), { withFileTypes: true });
      const inside = entries.filter((entry) => entry.isDirectory() && !LEFT_OUT.has(entry.name));
      return [
        ...entries.filter((entry) => entry.isFile()).map(({ name }) => join(folder, name)),
        ...(await filesOf(inside.map(({ name }) => join(folder, name)))),
      ];
    }),
  );
  return found.flat();
}

const sources = (await filesOf(['packages', 'apps', 'tests', 'bench', 'scripts'])).filter((path) =>
  /\.(ts|tsx|mjs)$/.test(path),
);
const texts = new Map(
  await Promise.all(sources.map(async (path) => [path, await readFile(join(repository, path), 'utf8')] as const)),
);

/** "PATH:LINE" of all lines that are so. */
function linesWhere(isSo: (line: string, path: string) => boolean): string[] {
  return Array.from(texts).flatMap(([path, text]) =>
    text.split('\n').flatMap((line, i) => (isSo(line, path) ? [`${path}:${i + 1}`] : [])),
  );
}

describe('source files', () => {
  it('are found', () => {
    expect(sources.length).toBeGreaterThan(400);
    expect(sources).toContain('packages/tensor/src/devices/wasm/assembly/math.ts');
  });

  it('have kebab-case names', () => {
    const isKebabCase = (name: string): boolean =>
      /^[a-z0-9]+(-[a-z0-9]+)*(\.((slow\.)?test|soak|config|generated))?\.(ts|tsx|mjs)$/.test(name);
    expect(sources.filter((path) => !isKebabCase(basename(path)))).toEqual([]);
  });

  it('of packages and apps begin by saying what they are', () => {
    const own = sources.filter((path) => /^(packages|apps)\/[^/]+\/src\//.test(path));
    expect(own.filter((path) => !texts.get(path)!.startsWith('/**'))).toEqual([]);
  });

  it('have private members as #name, not as words of TypeScript', () => {
    // A constructor has no other way to be private.
    expect(linesWhere((line) => /^\s*(private|protected)\s+(?!constructor\()\w/.test(line))).toEqual([]);
  });

  it(`have comments of at most ${LONGEST_COMMENT} columns`, () => {
    const isComment = (line: string): boolean => /^\s*(\/\/|\/?\*)/.test(line) && !line.includes('lint-disable');
    expect(linesWhere((line) => line.length > LONGEST_COMMENT && isComment(line))).toEqual([]);
  });
});
