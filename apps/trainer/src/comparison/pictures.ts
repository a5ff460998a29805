/**
 * The pictures of a comparison: load on held-out text, training curves, loss against tokens, specialisation against
 * balance, for one seed the same files as `dashboard render` makes of its folder; for tables of the paper those of each
 * table and formulation, under the names of its rows. Curves are means over seeds, in their bands; the load is
 * that of the first seed; the other figures have every run.
 */
import { join } from 'node:path';
import {
  curves,
  type Figure,
  loadHeldOut,
  lossTokensHeldOut,
  lossTokensTraining,
  parallelCoordinates,
  partsOf,
  ranks,
  type RunParts,
  simulatedLevels,
  specialisationBalance,
} from '@lpr/report';
import { FIGURES_FOLDER, picturesOf, pngOf, writePicture } from '@lpr/report/node';
import type { RunResult } from '@lpr/results';
import type { Run } from '@lpr/runs';
import { type Comparison, settingNames } from './comparison.ts';
import { PAPER_TABLES } from './paper.ts';

/** Of all runs; among them figures 3 and 4 of the paper, measured. */
const OF_ALL = [curves, lossTokensHeldOut, lossTokensTraining, specialisationBalance, parallelCoordinates, ranks];

/** Settings that are drawn together. */
interface Group {
  /** What the names of its files begin with. */
  readonly prefix: string;
  readonly settings: readonly { readonly setting: string; readonly title: string }[];
}

/**
 * Draws a comparison whose runs are finished.
 *
 * @param runs in its order
 * @param results of the runs, under the names and titles of their settings
 * @returns paths of the files, from the folder, and a sentence for each run that is missing in one
 */
export async function drawComparison(
  folder: string,
  comparison: Comparison,
  runs: readonly Run[],
  results: readonly RunResult[],
): Promise<{ readonly written: readonly string[]; readonly missing: readonly string[] }> {
  const names = settingNames(comparison);
  const levels = simulatedLevels();
  const written: string[] = [];
  const missing: string[] = [];
  const draw = async (figure: Figure, prefix: string, parts: readonly RunParts[]): Promise<void> => {
    const drawable = picturesOf([figure], parts, { levels });
    missing.push(...drawable.missing);
    for (const { name, picture } of drawable.pictures) {
      const png = await pngOf(picture, 'light');
      await writePicture(join(folder, FIGURES_FOLDER), `${prefix}${name}`, png);
      written.push(join(FIGURES_FOLDER, `${prefix}${name}.png`));
    }
  };
  for (const { prefix, settings } of groupsOf(comparison, results)) {
    const parts = settings.map(({ setting, title }) => {
      const own = runs.filter(({ name }) => names.get(name) === setting);
      const seedOf = (run: Run): string => (own.length === 1 ? '' : `, seed ${comparison.runs.get(run.name)!.seed}`);
      return own.map((run) => ({ ...partsOf(run, `${title}${seedOf(run)}`), setting: title }));
    });
    await draw(
      loadHeldOut,
      prefix,
      parts.map(([first]) => first!),
    );
    for (const figure of OF_ALL) await draw(figure, prefix, parts.flat());
  }
  return { written, missing };
}

function groupsOf({ tables }: Comparison, results: readonly RunResult[]): Group[] {
  if (tables.size === 0) {
    const titles = new Map(results.map(({ name, title }) => [name, title]));
    return [{ prefix: '', settings: Array.from(titles, ([setting, title]) => ({ setting, title })) }];
  }
  return Array.from(tables).flatMap(([table, formulations]) =>
    Array.from(formulations, ([formulation, rows]) => ({
      prefix: formulations.size === 1 ? `table-${table}-` : `table-${table}-${formulation}-`,
      settings: rows.map((setting, i) => ({ setting, title: PAPER_TABLES[table].rows[i]!.title })),
    })),
  );
}
