/**
 * Whether the compiled kernels are those of the sources beside them. Kernels and the code that calls them agree on
 * numbers and on the order of words; where one is older than the other, results would be nonsense without any error.
 */

/** Name of the section of a compiled module that holds the digest of its sources. */
export const SOURCES_SECTION = 'sources';

/** What the kernels are compiled from, from the package's folder: files, and folders of TypeScript. */
const SOURCES = [
  'scripts/build-kernels.ts',
  'scripts/command-classes.ts',
  'src/devices/wasm/assembly/',
  'src/devices/wasm/commands/',
  'src/devices/wasm/constants.ts',
  'src/devices/wasm/layout.ts',
];

/**
 * SHA-256 of everything that the kernels are compiled from, in hexadecimal. Null where that is not at hand: in the
 * published package, whose kernels and code were built together, and in browsers.
 */
export async function sourcesDigest(): Promise<string | null> {
  const isNode = typeof process !== 'undefined' && typeof process.getBuiltinModule === 'function';
  if (!isNode || !import.meta.url.startsWith('file:')) return null;
  const { readdir, readFile } = process.getBuiltinModule('node:fs/promises');
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256');
  // From src/devices/wasm and from dist/devices/wasm alike.
  const root = new URL('../../../', import.meta.url);
  const filesOf = async (source: string): Promise<string[]> => {
    if (!source.endsWith('/')) return [source];
    const names = await readdir(new URL(source, root));
    return names
      .filter((name) => name.endsWith('.ts'))
      .toSorted()
      .map((name) => source + name);
  };
  try {
    for (const path of (await Promise.all(SOURCES.map(filesOf))).flat()) {
      hash.update(`${path}\n`).update(await readFile(new URL(path, root)));
    }
  } catch {
    // Not this package's folder: an application has been bundled with it.
    return null;
  }
  return hash.digest('hex');
}
