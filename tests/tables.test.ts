/** The tables of measured numbers in the documents of this repository. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { rewriteTables } from '@lpr/results';
import { differenceLines, markdownFiles, staleDocuments } from '@lpr/results/node';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');

describe('the tables of the documents', () => {
  it('are those of the results stored in docs/results (mend with `pnpm tables`)', async () => {
    expect((await staleDocuments(root)).flatMap(differenceLines)).toEqual([]);
  });

  it('hold numbers only where a stored result stands behind them', async () => {
    for (const file of await markdownFiles(root)) {
      const { document } = rewriteTables(await readFile(join(root, file), 'utf8'), () => []);
      const stray = document.split('\n').filter((line) => {
        const [, ...cells] = line.startsWith('|') ? line.split('|').slice(1, -1) : [];
        return cells.some((cell) => /^ *[\d,.]*\d *$/.test(cell));
      });
      expect(stray, file).toEqual([]);
    }
  });
});
