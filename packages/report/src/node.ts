/** @lpr/report/node: pictures as PNG files. */
import { join } from 'node:path';
import type { ThemeName } from '@lpr/charts';
import { makeFolder } from '@lpr/guard';
import { messageOf, writeWhole } from '@lpr/runs';
import type { Figure, FigureContext, Picture } from './figures/figure.ts';
import { fileNames } from './names.ts';
import type { RunParts } from './parts.ts';

/** A picture with the name of its file, without the extension. */
export interface NamedPicture {
  readonly figure: Figure;
  readonly name: string;
  readonly picture: Picture;
}

export interface Drawable {
  readonly pictures: readonly NamedPicture[];
  /** One sentence for each figure, or run in a figure, that is missing. */
  readonly missing: readonly string[];
}

/** What can be drawn of runs. Data that a figure refuses cost it alone. */
export function picturesOf(figures: readonly Figure[], runs: readonly RunParts[], context: FigureContext): Drawable {
  const pictures: NamedPicture[] = [];
  const missing: string[] = [];
  for (const figure of figures) {
    try {
      const made = figure.pictures(runs, context);
      missing.push(...made.missing.map((sentence) => `not in ${figure.name}: ${sentence}`));
      const labels = fileNames(made.pictures.map(({ record }, i) => record.of.label ?? String(i + 1)));
      for (const [i, picture] of made.pictures.entries()) {
        const name = made.pictures.length === 1 ? figure.name : `${figure.name}-${labels[i]}`;
        pictures.push({ figure, name, picture });
      }
    } catch (error) {
      missing.push(`not in ${figure.name}: ${messageOf(error)}`);
    }
  }
  return { pictures, missing };
}

/** Loaded with the first picture: it takes a third of a second, which commands that draw nothing need not wait for. */
const renderer = async (): Promise<typeof import('@lpr/charts/node')> => await import('@lpr/charts/node');

/** The bytes of a picture with its title and notes. @throws Error where its chart refuses the data */
export async function pngOf(picture: Picture, theme: ThemeName): Promise<Uint8Array> {
  const { option, size } = picture.drawWithNotes({ theme });
  const { renderPng } = await renderer();
  return await renderPng(option, size);
}

/** The text of an SVG of a picture with its title and notes. @throws Error where its chart refuses the data */
export async function svgOf(picture: Picture, theme: ThemeName): Promise<string> {
  const { option, size } = picture.drawWithNotes({ theme });
  const { renderSvg } = await renderer();
  return renderSvg(option, size);
}

/**
 * Writes a picture into a folder, which is made where it is missing: bytes of a PNG, or the text of an SVG.
 *
 * @returns the path
 */
export async function writePicture(folder: string, name: string, content: Uint8Array | string): Promise<string> {
  await makeFolder(folder);
  const path = join(folder, `${name}.${typeof content === 'string' ? 'svg' : 'png'}`);
  await writeWhole(path, content);
  return path;
}

/** The folder for pictures, below that of a run or a comparison. */
export const FIGURES_FOLDER = 'figures';
