/** Draws the figures of one or several runs: `heatmap.png` from their loads, `curves.png` from their metrics. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CurvesInput,
  curvesSize,
  type HeatmapInput,
  type HeatmapModel,
  heatmapSize,
  loadHeatmap,
  trainingCurves,
} from '@lpr/charts';
import { renderPng } from '@lpr/charts/node';
import { type BalanceReport, isotropicNull, type LoadFile, samplingFloor } from '@lpr/metrics';
import { writeWhole } from '@lpr/train';
import { LOADS_FILE, METRICS_FILE, type Run } from './run-folder.ts';

export interface RenderOptions {
  /** Folder for the pictures; made where it is missing. */
  readonly out: string;
  /** Windows at the end of the run that the heatmap adds up. */
  readonly windows: number;
  /** Width of the latent space for the isotropic null. */
  readonly latentDim: number;
}

/** What was drawn, and what could not be. */
export interface Rendered {
  /** Paths of the pictures. */
  readonly written: readonly string[];
  /** One sentence for each run that is missing in a picture. */
  readonly skipped: readonly string[];
}

/** Loads of the last windows of a run, and how many tokens they count. */
interface RecentLoads {
  readonly tokens: number;
  readonly model: HeatmapModel;
}

/**
 * Draws what the runs allow and writes it to `out`, each picture under a temporary name first.
 *
 * @throws Error where nothing can be drawn.
 */
export async function renderRuns(runs: readonly Run[], options: RenderOptions): Promise<Rendered> {
  const skipped: string[] = [];
  const recent: RecentLoads[] = [];
  const curves: { name: string; points: NonNullable<Run['points']> }[] = [];
  for (const { name, folder, loads, points } of runs) {
    if (loads && loads.windows.length > 0) recent.push(recentLoads(name, loads, options.windows));
    else
      skipped.push(
        `not in heatmap.png: ${join(folder, LOADS_FILE)} ${loads ? 'holds no whole window yet' : 'is missing'}`,
      );
    if (points && points.length > 0) curves.push({ name, points });
    else
      skipped.push(`not in curves.png: ${join(folder, METRICS_FILE)} ${points ? 'holds no step yet' : 'is missing'}`);
  }
  if (recent.length === 0 && curves.length === 0) throw new Error(`nothing to draw:\n${skipped.join('\n')}`);

  await mkdir(options.out, { recursive: true });
  const written: string[] = [];
  const write = async (name: string, png: Uint8Array): Promise<void> => {
    const path = join(options.out, name);
    await writeWhole(path, png);
    written.push(path);
  };
  if (recent.length > 0) {
    const levels = commonLevels(
      runs,
      recent.map(({ tokens }) => tokens),
      options.latentDim,
    );
    const input: HeatmapInput = {
      models: recent.map(({ model }) => model),
      ...(levels && {
        footnote:
          `Gini without any structure, over ${levels.tokens.toLocaleString('en')} tokens: uniform router ` +
          `${levels.floor.gini.toFixed(3)}, random latents and keys ${levels.isotropic.gini.toFixed(3)}`,
      }),
    };
    await write('heatmap.png', await renderPng(loadHeatmap(input), heatmapSize(input)));
  }
  if (curves.length > 0) {
    const levels = commonLevels(
      runs,
      runs.map(({ loads }) => loads?.windows.at(-1)?.tokens ?? 0),
      options.latentDim,
    );
    const input: CurvesInput = {
      runs: curves,
      ...(levels && {
        references: [
          { name: 'sampling floor', ...levels.floor },
          { name: 'isotropic null', ...levels.isotropic },
        ],
      }),
    };
    await write('curves.png', await renderPng(trainingCurves(input), curvesSize(input)));
  }
  return { written, skipped };
}

/** Above so many tokens, what is left of the null's imbalance is the geometry of its keys. */
const NULL_TOKENS = 131_072;

/** The reference levels, where all runs have one number of experts, top-k and tokens, so that there is one level for all. */
function commonLevels(
  runs: readonly Run[],
  tokensPerRun: readonly number[],
  latentDim: number,
): { tokens: number; floor: BalanceReport; isotropic: BalanceReport } | undefined {
  const shapes = runs.flatMap(({ loads }) => (loads ? [loads.shape] : []));
  const [shape] = shapes;
  const tokens = tokensPerRun[0] ?? 0;
  if (shape === undefined || tokens === 0 || tokensPerRun.some((other) => other !== tokens)) return undefined;
  if (shapes.some(({ experts, topK }) => experts !== shape.experts || topK !== shape.topK)) return undefined;
  const { experts, topK } = shape;
  return {
    tokens,
    floor: samplingFloor({ experts, topK, tokens, seed: 0 }),
    isotropic: isotropicNull({ experts, topK, latentDim, tokens: Math.min(tokens, NULL_TOKENS), seed: 0 }),
  };
}

function recentLoads(name: string, { shape, windows }: LoadFile, last: number): RecentLoads {
  const counts = Array.from({ length: shape.layers }, () => new Float64Array(shape.experts));
  let tokens = 0;
  for (const window of windows.slice(-last)) {
    tokens += window.tokens;
    for (const [layer, sums] of counts.entries()) {
      for (let expert = 0; expert < shape.experts; expert++) sums[expert]! += window.counts[layer]![expert]!;
    }
  }
  return { tokens, model: { name, counts } };
}
