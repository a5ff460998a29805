/**
 * Colours and type of all figures. Colours are safe for the common kinds of colour blindness: the diverging scale is
 * ColorBrewer's RdBu (Brewer, Harrower and the Pennsylvania State University) without its two darkest ends, the lines are
 * the set of Okabe and Ito.
 */

/** Sans serif with tabular figures; `@lpr/charts/node` bundles it, a page falls back where it lacks it. */
export const FONT = 'Inter, "Helvetica Neue", Arial, sans-serif';

/** Text, secondary text, axis lines, frames and grid lines. */
export const INK = '#1f2328';
export const INK_SOFT = '#59636e';
export const AXIS = '#8b949e';
export const FRAME = '#c4cad1';
export const GRID = '#e8eaed';

/** Experts that got no token at all; outside the scale, so that it cannot be taken for a low load. */
export const DEAD = '#1f1f1f';

/** From no load over the uniform share (the middle) to an overload. */
const DIVERGING = [
  [33, 102, 172],
  [67, 147, 195],
  [146, 197, 222],
  [209, 229, 240],
  [247, 247, 247],
  [253, 219, 199],
  [244, 165, 130],
  [214, 96, 77],
  [178, 24, 43],
] as const;

/** Categorical colours for lines, in order of use. */
export const LINES = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'] as const;

/**
 * Colour `#rrggbb` of a load relative to the uniform share: 1 is neutral, below is blue, above is red, linear on either side,
 * from `clip` on always the darkest red. An expert without any token has the colour `DEAD`.
 *
 * @param clip relative load at which the scale ends; above 1.
 */
export function loadColour(relativeLoad: number, clip: number): string {
  if (relativeLoad === 0) return DEAD;
  const middle = (DIVERGING.length - 1) / 2;
  const position =
    relativeLoad <= 1 ? relativeLoad * middle : middle + Math.min(1, (relativeLoad - 1) / (clip - 1)) * middle;
  const lower = Math.min(Math.floor(position), DIVERGING.length - 2);
  const share = position - lower;
  const channels = DIVERGING[lower]!.map((from, i) => Math.round(from + share * (DIVERGING[lower + 1]![i]! - from)));
  return `#${channels.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}

/** Stops of the colour bar, `[position from 0 to 1, colour]`, for a bar whose axis runs linearly from 0 to `clip`. */
export function loadColourStops(clip: number): { offset: number; color: string }[] {
  const steps = DIVERGING.length - 1;
  return Array.from({ length: steps + 1 }, (_, i) => {
    const relativeLoad = i <= steps / 2 ? i / (steps / 2) : 1 + ((i - steps / 2) / (steps / 2)) * (clip - 1);
    // The lowest stop is the limit towards 0, not the colour of a dead expert.
    return { offset: relativeLoad / clip, color: loadColour(Math.max(relativeLoad, Number.MIN_VALUE), clip) };
  });
}
