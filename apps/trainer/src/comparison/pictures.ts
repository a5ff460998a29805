/**
 * The pictures of a comparison: load on held-out text and training curves, the same files as `dashboard render` makes
 * of its folder; for tables of the paper those of each table, under the names of its rows.
 */
import { join } from 'node:path';
import { curves, loadHeldOut, namedRun, partsOf, runNames, simulatedLevels } from '@lpr/report';
import { FIGURES_FOLDER, picturesOf, pngOf, writePicture } from '@lpr/report/node';
import type { Run } from '@lpr/runs';
import { PAPER_TABLES, type PaperTableNumber } from './paper.ts';

/** Runs that are drawn together. */
interface Group {
  /** What the names of its files begin with. */
  readonly prefix: string;
  readonly runs: readonly { readonly run: Run; readonly name: string }[];
}

/**
 * Draws a comparison whose runs are finished.
 *
 * @param runs in its order
 * @returns paths of the files, from the folder, and a sentence for each run that is missing in one
 */
export async function drawComparison(
  folder: string,
  runs: readonly Run[],
  tables: ReadonlyMap<PaperTableNumber, readonly string[]>,
): Promise<{ readonly written: readonly string[]; readonly missing: readonly string[] }> {
  const levels = simulatedLevels();
  const written: string[] = [];
  const missing: string[] = [];
  for (const { prefix, runs: shown } of groupsOf(runs, tables)) {
    const parts = shown.map(({ run, name }) => partsOf(run, name));
    const drawable = picturesOf([loadHeldOut, curves], parts, { levels });
    missing.push(...drawable.missing);
    for (const { name, picture } of drawable.pictures) {
      const png = await pngOf(picture, 'light');
      await writePicture(join(folder, FIGURES_FOLDER), `${prefix}${name}`, png);
      written.push(join(FIGURES_FOLDER, `${prefix}${name}.png`));
    }
  }
  return { written, missing };
}

function groupsOf(runs: readonly Run[], tables: ReadonlyMap<PaperTableNumber, readonly string[]>): Group[] {
  if (tables.size === 0) {
    const names = runNames(runs.map(namedRun));
    return [{ prefix: '', runs: runs.map((run, i) => ({ run, name: names[i]! })) }];
  }
  return Array.from(tables, ([table, rows]) => ({
    prefix: `table-${table}-`,
    runs: rows.map((row, i) => ({
      run: runs.find(({ name }) => name === row)!,
      name: PAPER_TABLES[table].rows[i]!.title,
    })),
  }));
}
