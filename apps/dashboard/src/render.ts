/** Draws all figures that runs have the data for, as PNG files and as one page that needs nothing else. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { renderPng } from '@lpr/charts/node';
import type { ReferenceLevel, ThemeName } from '@lpr/charts';
import { messageOf, type Run, writeWhole } from '@lpr/runs';
import { simulateLevels } from './levels.ts';
import { type FigureKind, type Picture, type RenderContext, RUN_FIGURES } from './render-figures.ts';
import { TRACE_FIGURES } from './render-traces.ts';
import { type ReportFigure, reportPage } from './report.ts';

/** Every figure, in the order of the report. */
export const FIGURES: readonly FigureKind[] = [...RUN_FIGURES, ...TRACE_FIGURES];

export interface RenderOptions {
  /** Folder for `figures/` and `report.html`; made where it is missing. */
  readonly out: string;
  /** Windows at the end of the run that the heatmap adds up. */
  readonly windows: number;
  /** Width of the latent space for the isotropic null. Default: that of the runs, else 16. */
  readonly latentDim?: number;
  /** What the PNG files are drawn for; the report follows its reader. Default 'light'. */
  readonly theme?: ThemeName;
  /** Names of the figures to draw, without a report. Default: all, with one. */
  readonly only?: readonly string[];
}

/** What was drawn, and what could not be. */
export interface Rendered {
  /** Paths of the pictures, and of the report. */
  readonly written: readonly string[];
  /** One sentence for each figure, or run in a figure, that is missing. */
  readonly skipped: readonly string[];
}

/**
 * Draws what the runs allow and writes it to `out`, each file under a temporary name first.
 *
 * @throws Error where nothing can be drawn; RangeError for a name in `only` that is no figure's.
 */
export async function renderRuns(runs: readonly Run[], options: RenderOptions): Promise<Rendered> {
  const { out, only, theme = 'light' } = options;
  const kinds = chosenKinds(only);
  const context: RenderContext = { windows: options.windows, levels: referenceLevels(runs, options.latentDim) };
  const skipped = runs.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`));
  const written: string[] = [];
  const figures: ReportFigure[] = [];
  const folder = join(out, 'figures');
  for (const kind of kinds) {
    const { pictures, missing } = await draw(kind, runs, context);
    skipped.push(...missing.map((sentence) => `not in ${kind.name}: ${sentence}`));
    for (const [i, picture] of pictures.entries()) {
      const name = pictures.length === 1 ? kind.name : `${kind.name}-${fileName(picture.of ?? String(i), i)}`;
      try {
        const [png, light, dark] = await drawThemes(picture, theme, only === undefined);
        await mkdir(folder, { recursive: true });
        const path = join(folder, `${name}.png`);
        await writeWhole(path, png);
        written.push(path);
        if (light && dark) figures.push({ kind, name, of: picture.of, size: picture.size, light, dark });
      } catch (error) {
        skipped.push(`not in ${kind.name}: ${picture.of === undefined ? '' : `${picture.of}: `}${messageOf(error)}`);
      }
    }
  }
  if (written.length === 0) throw new Error(`nothing to draw:\n${skipped.join('\n')}`);
  if (only === undefined) {
    const path = join(out, 'report.html');
    await writeWhole(path, reportPage({ runs, figures, skipped, levels: context.levels }));
    written.push(path);
  }
  return { written, skipped };
}

function chosenKinds(only: readonly string[] | undefined): readonly FigureKind[] {
  if (only === undefined) return FIGURES;
  const names = FIGURES.map(({ name }) => name);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new RangeError(`there is no figure "${unknown}"; there are ${names.join(', ')}`);
  return FIGURES.filter(({ name }) => only.includes(name));
}

/** What a kind of figure makes of the runs; data that it refuses cost this kind alone. */
async function draw(kind: FigureKind, runs: readonly Run[], context: RenderContext) {
  try {
    return await kind.draw(runs, context);
  } catch (error) {
    return { pictures: [], missing: [messageOf(error)] };
  }
}

/** The picture for the file, and for the report, where there is one, that for either page. */
async function drawThemes({ option, size }: Picture, theme: ThemeName, both: boolean) {
  const one = async (name: ThemeName) => await renderPng(option(name), size);
  if (!both) return [await one(theme)] as const;
  const [light, dark] = await Promise.all([one('light'), one('dark')]);
  return [theme === 'dark' ? dark : light, light, dark] as const;
}

/** A name for a file, of a run's name that may hold anything. */
function fileName(name: string, index: number): string {
  return (
    name
      .replaceAll(/[^\p{L}\p{N}._-]+/gu, '-')
      .replaceAll(/^[.-]+|[.-]+$/g, '')
      .slice(0, 80) || `run-${index}`
  );
}

/**
 * The reference levels, where all runs have one number of experts and one top-k, so that there is one level for all.
 */
function referenceLevels(runs: readonly Run[], givenDim: number | undefined): RenderContext['levels'] {
  const shapes = runs.flatMap(({ loads }) => (loads.value ? [loads.value.shape] : []));
  const [shape] = shapes;
  const dims = new Set(runs.flatMap(({ facts }) => facts.latentDim ?? []));
  const latentDim = givenDim ?? (dims.size === 1 ? Array.from(dims)[0]! : 16);
  const known = new Map<number, readonly ReferenceLevel[]>();
  return (tokens) => {
    if (shape === undefined || tokens <= 0) return [];
    if (shapes.some(({ experts, topK }) => experts !== shape.experts || topK !== shape.topK)) return [];
    const { experts, topK } = shape;
    let levels = known.get(tokens);
    if (levels === undefined) {
      levels = simulateLevels({ experts, topK, tokens, latentDim });
      known.set(tokens, levels);
    }
    return levels;
  };
}
