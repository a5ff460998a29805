/** How lines are told apart: runs by as many colours as eyes can tell, the rest grey; levels by their dashes. */
import type { Line } from './lines.ts';
import { LEGEND_FONT, LEGEND_NAME } from './legend.ts';
import { lineColour, type ThemeName, themeOf } from './palette.ts';
import { shortNames } from './text.ts';

/** How one of several runs is told from the others. */
export interface Look {
  /** The entry of the legend that it belongs to: those of one look alike. Default: its own name. */
  readonly entry?: string;
  /**
   * Which colour it has, from 0; null: grey, one of many. Default: the place of its entry, from `MOST_COLOURS` on grey.
   */
  readonly colour?: number | null;
}

/** More colours nobody tells apart. */
export const MOST_COLOURS = 7;

/** Levels by their order. */
export const REFERENCE_DASHES = [
  [2, 3],
  [7, 4],
  [9, 3, 2, 3],
] as const;

/** Lines after the last colour start again with these. */
export const REPEAT_DASHES = [
  undefined,
  [5, 2],
  [1.5, 1.5],
  [8, 2, 1.5, 2],
  [12, 3],
  [4, 1.5, 1.5, 1.5, 1.5, 1.5],
] as const;

/** The colour of a look in every figure, for legends beside figures. */
export function colourOfLook(colour: number | null, theme: ThemeName): string {
  return colour === null ? themeOf(theme).muted : lineColour(colour, themeOf(theme));
}

/** A run as a figure draws it. */
export interface DrawnLook {
  /** In the legend: its entry, or that of all which are grey. */
  readonly name: string;
  /** Its own name, where it is told from others. */
  readonly label: string;
  readonly colour: string;
  readonly isGrey: boolean;
}

/**
 * How each run is drawn, and the entries of the legend: those with a colour, in the order of the colours, and one of
 * all others.
 *
 * @throws RangeError where two runs have one name.
 */
export function looksOf(
  runs: readonly (Look & { readonly name: string })[],
  theme: ThemeName,
): { looks: DrawnLook[]; legend: string[] } {
  const labels = namesOf(runs);
  const places = new Map<string, number | null>();
  for (const { name, entry = name, colour } of runs) {
    if (places.has(entry)) continue;
    places.set(entry, colour === undefined ? (places.size < MOST_COLOURS ? places.size : null) : colour);
  }
  const coloured = Array.from(places).flatMap(([entry, colour]) => (colour === null ? [] : [{ entry, colour }]));
  const ordered = coloured.toSorted((a, b) => a.colour - b.colour).map(({ entry }) => entry);
  const short = shortNames(ordered, LEGEND_NAME, LEGEND_FONT);
  const others = places.size - ordered.length;
  const rest = others === 0 ? [] : [others === 1 ? '1 other' : `${others} others`];
  const looks = runs.map(({ name, entry = name }, i): DrawnLook => {
    const colour = places.get(entry)!;
    return {
      label: labels[i]!,
      name: colour === null ? rest[0]! : short[ordered.indexOf(entry)]!,
      colour: colourOfLook(colour, theme),
      isGrey: colour === null,
    };
  });
  return { looks, legend: [...short, ...rest] };
}

/** The line of a run: named at its end, or pale behind those that are. */
export function lookStyle({
  name,
  label,
  colour,
  isGrey,
}: DrawnLook): Pick<Line, 'name' | 'label' | 'colour' | 'isGrey' | 'width'> {
  return { name, label, colour, ...(isGrey && { isGrey, width: 1.25 }) };
}

/** Names for the legend. @throws RangeError where two are the same */
export function namesOf(lines: readonly { readonly name: string }[]): string[] {
  const names = lines.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new RangeError(`two lines are named "${twice}"; names tell them apart`);
  return shortNames(names, LEGEND_NAME, LEGEND_FONT);
}

/** How the line of term number `term` of a loss looks: a colour, and after the last one a dash. */
export function termStyle(term: number, theme: ThemeName): Pick<Line, 'colour' | 'dash'> {
  const { lines } = themeOf(theme);
  const dash = REPEAT_DASHES[Math.floor(term / lines.length) % REPEAT_DASHES.length];
  return { colour: lineColour(term, themeOf(theme)), ...(dash && { dash }) };
}

/** How the line of level number `index` looks in every figure. */
export function referenceStyle(index: number, theme: ThemeName): Pick<Line, 'colour' | 'width' | 'dash'> {
  const dash = REFERENCE_DASHES[index % REFERENCE_DASHES.length]!;
  return { colour: themeOf(theme).inkSoft, width: 1.25, dash };
}

/** The range over lines of one setting, at those places where all of them have a point. */
export function spreadOf(
  lines: readonly (readonly (readonly [x: number, value: number])[])[],
): readonly (readonly [x: number, low: number, high: number])[] {
  const values = new Map<number, number[]>();
  for (const points of lines) for (const [x, value] of points) values.set(x, [...(values.get(x) ?? []), value]);
  return Array.from(values)
    .filter(([, own]) => own.length === lines.length)
    .toSorted(([a], [b]) => a - b)
    .map(([x, own]) => [x, Math.min(...own), Math.max(...own)]);
}
