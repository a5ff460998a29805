/**
 * The figures of a comparison: heatmaps of load beside each other, and training curves; for every table of the paper
 * its own.
 */
import { join } from 'node:path';
import { curvesSize, heatmapSize, loadHeatmap, trainingCurves } from '@lpr/charts';
import { renderPng } from '@lpr/charts/node';
import { type EvaluationLine, readMetrics, writeWhole } from '@lpr/runs';
import { type Comparison, referenceLevels } from './comparison.ts';
import { modelTitle } from '../settings/decoder-config.ts';
import { PAPER_TABLES } from './paper.ts';
import type { Settings } from '../settings/schema.ts';

/** A run as a figure shows it. */
interface Shown {
  readonly title: string;
  readonly folder: string;
  readonly settings: Settings;
  readonly result: EvaluationLine;
}

/** Runs that are drawn together. */
interface Group {
  readonly heatmap: string;
  readonly curves: string;
  /** Title and name of each. */
  readonly runs: readonly (readonly [title: string, name: string])[];
}

/** File names of a comparison's figures. */
export function figureNames(comparison: Comparison): string[] {
  return groupsOf(comparison).flatMap(({ heatmap, curves }) => [heatmap, curves]);
}

function groupsOf({ runs, tables }: Comparison): Group[] {
  if (tables.size === 0) {
    const titled = Array.from(
      runs,
      ([name, { architecture, router }]) => [modelTitle(architecture, router), name] as const,
    );
    return [{ heatmap: 'heatmap.png', curves: 'curves.png', runs: titled }];
  }
  return Array.from(tables, ([table, names]) => ({
    heatmap: `table-${table}-heatmap.png`,
    curves: `table-${table}-curves.png`,
    runs: names.map((name, i) => [PAPER_TABLES[table].rows[i]!.title, name] as const),
  }));
}

/** Draws a comparison whose runs are finished. */
export async function drawComparison(
  folder: string,
  comparison: Comparison,
  results: ReadonlyMap<string, EvaluationLine>,
): Promise<void> {
  for (const { heatmap, curves, runs } of groupsOf(comparison)) {
    const shown = runs.map(([title, name]) => ({
      title,
      folder: join(folder, name),
      settings: comparison.runs.get(name)!,
      result: results.get(name)!,
    }));
    await drawHeatmap(join(folder, heatmap), shown);
    await drawCurves(join(folder, curves), shown);
  }
}

async function drawHeatmap(path: string, all: readonly Shown[]): Promise<void> {
  // A dense model has no loads.
  const runs = all.filter(({ result }) => result.counts.length > 0);
  const models = runs.map(({ title, result }) => ({ name: title, counts: result.counts }));
  const [{ settings, result }] = runs as [Shown];
  const { evaluatedTokens: tokens } = result;
  const { samplingFloor: floor, isotropicNull: random } = referenceLevels(settings, tokens);
  const levels =
    `. A uniform router at that number: Gini ${floor.gini.toFixed(3)}, min-max ${floor.minMax.toFixed(3)}; ` +
    `random latents and keys: ${random.gini.toFixed(3)}, ${random.minMax.toFixed(3)}`;
  const heatmap = {
    models,
    footnote: `${tokens.toLocaleString('en')} held-out tokens${haveOneShape(runs) ? levels : ''}`,
  };
  await writeWhole(path, await renderPng(loadHeatmap(heatmap), heatmapSize(heatmap)));
}

async function drawCurves(path: string, runs: readonly Shown[]): Promise<void> {
  const routed = runs.filter(({ result }) => result.counts.length > 0);
  const [{ settings }] = routed as [Shown];
  const { data, training } = settings;
  // Balance in the curves is that of a logging window, so the levels must be those of as many tokens.
  const window = referenceLevels(
    settings,
    data.batchSize * data.sequenceLength * training.accumulation * Math.min(training.logEvery, training.steps),
  );
  const curves = {
    runs: await Promise.all(
      runs.map(async ({ title, folder }) => ({
        name: title,
        points: (await readMetrics(folder)).map(({ step, loss, balance }) => {
          const { gini = null, minMax = null } = balance?.mean ?? {};
          return { step, loss, ...(gini === null ? {} : { gini }), ...(minMax === null ? {} : { minMax }) };
        }),
      })),
    ),
    references: haveOneShape(routed)
      ? [
          { name: 'sampling floor', ...window.samplingFloor },
          { name: 'isotropic null', ...window.isotropicNull },
        ]
      : [],
  };
  await writeWhole(path, await renderPng(trainingCurves(curves), curvesSize(curves)));
}

/** The levels that routers without structure reach depend on the numbers of experts. */
function haveOneShape(runs: readonly Shown[]): boolean {
  const shapes = new Set(runs.map(({ settings: { size } }) => `${size.experts} ${size.topK}`));
  return shapes.size === 1;
}
