/** A folder for the files that a suite makes. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';

export interface Folder {
  readonly path: string;
  /** Writes a file, which may lie deeper, and gives its path. */
  readonly write: (name: string, content: string | Uint8Array) => string;
}

/** Makes a folder that goes when the suite ends. */
export function makeFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'lpr-data-'));
  afterAll(() => rmSync(path, { recursive: true }));
  return {
    path,
    write(name, content) {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      return file;
    },
  };
}
