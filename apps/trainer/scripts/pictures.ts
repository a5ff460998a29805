/** The pictures in the documents of this repository that are drawn of stored results. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { curvesSize, type CurvesInput, trainingCurves } from '@lpr/charts';
import { renderPng } from '@lpr/charts/node';
import type { Table } from '@lpr/results';
import { readResult } from '@lpr/results/node';

const PANELS = [
  {
    key: 'strong',
    title: 'Strong scaling',
    subtitles: ['one batch, shared out'],
    axis: 'Tokens/s over those of one rank',
  },
  { key: 'weak', title: 'Weak scaling', subtitles: ['a batch a rank'], axis: 'Tokens/s over those of one rank' },
  { key: 'bytes', title: 'Bytes sent', subtitles: ['one batch, shared out'], axis: 'MB a rank and step' },
] as const;

/**
 * Speed-up and bytes sent by the number of ranks.
 *
 * @param table "ranks" of `pnpm bench ranks`
 * @throws Error where it has no rows of several ranks
 */
export function scalingPicture({ rows }: Table): CurvesInput {
  const numberOf = (row: Table['rows'][number], key: string): number => Number(row[key] ?? 0);
  const modes = [
    ...new Set(rows.filter((row) => numberOf(row, 'ranks') > 1).map(({ reduction }) => reduction as string)),
  ];
  if (modes.length === 0) throw new Error('the stored result of `pnpm bench ranks` has no rows of several ranks');
  const pointsOf = (mode: string, scaling: string, value: (row: Table['rows'][number]) => number): [number, number][] =>
    rows
      .filter((row) => row['scaling'] === scaling && (row['reduction'] === mode || row['ranks'] === 1))
      .map((row) => [numberOf(row, 'ranks'), value(row)]);
  return {
    panels: PANELS,
    runs: modes.map((mode) => ({
      name: mode,
      series: {
        strong: pointsOf(mode, 'strong', (row) => numberOf(row, 'ratio')),
        weak: pointsOf(mode, 'weak', (row) => numberOf(row, 'ratio')),
        bytes: pointsOf(mode, 'strong', (row) => numberOf(row, 'gradients') + numberOf(row, 'rows')),
      },
    })),
    across: { name: 'Ranks' },
    firstStep: 1,
  };
}

/** Draws all of them anew. @param root of the repository @returns their paths */
export async function drawPictures(root: string): Promise<string[]> {
  const file = join(root, 'docs', 'results', 'ranks.json');
  const result = await readResult(file);
  const table = result.kind === 'tables' ? result.tables['ranks'] : undefined;
  if (table === undefined) throw new Error(`${file} has no table "ranks"; pnpm bench ranks --json makes it`);
  const input = scalingPicture(table);
  const out = join(root, 'docs', 'scaling.png');
  await writeFile(out, await renderPng(trainingCurves(input), curvesSize(input)));
  return [out];
}
