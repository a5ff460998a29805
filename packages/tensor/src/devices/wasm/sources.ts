/**
 * Whether the compiled kernels are those of the sources beside them. Kernels and the code that calls them agree on numbers and
 * on the order of words; where one is older than the other, results would be nonsense without any error.
 */

/** Name of the section of a compiled module that holds the digest of its sources. */
export const SOURCES_SECTION = 'sources';

/**
 * SHA-256 of everything that the kernels are compiled from, in hexadecimal. Null where that is not at hand: in the published
 * package, whose kernels and code were built together, and in browsers.
 */
export async function sourcesDigest(): Promise<string | null> {
  if (!import.meta.url.startsWith('file:') || typeof process?.getBuiltinModule !== 'function') return null;
  const { readdir, readFile } = process.getBuiltinModule('node:fs/promises');
  // From src/devices/wasm and from dist/devices/wasm alike.
  const root = new URL('../../../', import.meta.url);
  const names = await readdir(new URL('assembly/', root)).catch(() => null);
  if (names === null) return null;
  const kernels = names.filter((name) => name.endsWith('.ts')).map((name) => `assembly/${name}`);
  const shared = ['opcodes', 'layout'].map((name) => `src/devices/wasm/${name}.ts`);
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256');
  for (const path of [...kernels.sort(), ...shared, 'scripts/build-kernels.ts']) {
    hash.update(`${path}\n`).update(await readFile(new URL(path, root)));
  }
  return hash.digest('hex');
}
