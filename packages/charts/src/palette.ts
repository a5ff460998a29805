/**
 * Colours and type of all figures, for a white and for a dark page. Colours are safe for the common kinds of colour
 * blindness: lines are the set of Okabe and Ito (lightened on a dark page; on a white one its orange and sky blue,
 * which are too pale there, are brown and a stronger blue), the diverging scale is ColorBrewer's RdBu without its
 * two darkest ends, the sequential one its Blues (Brewer, Harrower and the Pennsylvania State University), the scale
 * of depth is a part of matplotlib's plasma.
 */

/** Sans serif with tabular figures; `@lpr/charts/node` bundles it, a page falls back where it lacks it. */
export const FONT = 'Inter, "Helvetica Neue", Arial, sans-serif';

/** The page that a figure is drawn for. */
export type ThemeName = 'light' | 'dark';

/** Red, green and blue, each from 0 to 255. */
export type Colour = readonly [number, number, number];

export interface Theme {
  readonly background: string;
  /** Text, secondary text, axis lines, frames and grid lines. */
  readonly ink: string;
  readonly inkSoft: string;
  readonly axis: string;
  readonly frame: string;
  readonly grid: string;
  /** What is not singled out by a colour. */
  readonly muted: string;
  /** Experts that got no token at all; outside the scale, so that it cannot be taken for a low load. */
  readonly dead: string;
  /** Categorical colours, in order of use. */
  readonly lines: readonly string[];
  /** From no load over the uniform share (the middle) to an overload. */
  readonly diverging: readonly Colour[];
  /** From nothing to the most. */
  readonly sequential: readonly Colour[];
  /** From the first layer to the last. */
  readonly depth: readonly Colour[];
}

const LIGHT: Theme = {
  background: '#ffffff',
  ink: '#1f2328',
  inkSoft: '#59636e',
  axis: '#8b949e',
  frame: '#c4cad1',
  grid: '#e8eaed',
  muted: '#c9ced4',
  dead: '#1f1f1f',
  lines: ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#96643c', '#2a96ff', '#000000'],
  diverging: [
    [33, 102, 172],
    [67, 147, 195],
    [146, 197, 222],
    [209, 229, 240],
    [247, 247, 247],
    [253, 219, 199],
    [244, 165, 130],
    [214, 96, 77],
    [178, 24, 43],
  ],
  sequential: [
    [247, 251, 255],
    [198, 219, 239],
    [107, 174, 214],
    [33, 113, 181],
    [8, 48, 107],
  ],
  depth: [
    [13, 8, 135],
    [126, 3, 168],
    [204, 71, 120],
    [240, 128, 60],
  ],
};

const DARK: Theme = {
  background: '#0d1117',
  ink: '#e6edf3',
  inkSoft: '#9aa5b1',
  axis: '#6e7681',
  frame: '#3d444d',
  grid: '#21262d',
  muted: '#4a525c',
  dead: '#f5f7fa',
  lines: ['#3d9be9', '#f0803c', '#2fbf91', '#e09ac2', '#f0c23c', '#8fd0f5', '#e6edf3'],
  diverging: [
    [128, 197, 250],
    [74, 150, 216],
    [48, 104, 158],
    [39, 66, 96],
    [38, 42, 48],
    [88, 52, 42],
    [146, 72, 50],
    [210, 106, 72],
    [252, 168, 132],
  ],
  sequential: [
    [24, 30, 39],
    [23, 64, 109],
    [33, 113, 181],
    [107, 174, 214],
    [222, 235, 247],
  ],
  depth: [
    [108, 64, 205],
    [216, 87, 149],
    [247, 149, 64],
    [240, 249, 33],
  ],
};

const THEMES: Readonly<Record<ThemeName, Theme>> = { light: LIGHT, dark: DARK };

/** @throws RangeError for a name that is none. */
export function themeOf(name: ThemeName): Theme {
  if (!Object.hasOwn(THEMES, name)) throw new RangeError(`there is no theme "${name}"; there are light and dark`);
  return THEMES[name];
}

/** Categorical colour number `index`; after the last the first comes again. */
export function lineColour(index: number, { lines }: Theme): string {
  return lines[index % lines.length]!;
}

/** Colour `#rrggbb` at a position from 0 to 1 on a scale of evenly spaced colours, which are mixed linearly. */
export function mixColours(position: number, scale: readonly Colour[]): string {
  const at = Math.min(1, Math.max(0, position)) * (scale.length - 1);
  const lower = Math.min(Math.floor(at), scale.length - 2);
  const share = at - lower;
  const channels = scale[lower]!.map((from, i) => Math.round(from + share * (scale[lower + 1]![i]! - from)));
  return `#${channels.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}

/**
 * Colour `#rrggbb` of a load relative to the uniform share: 1 is neutral, below is blue, above is red, linear on either
 * side, from `clip` on always the strongest red. An expert without any token has the theme's colour `dead`.
 *
 * @param clip relative load at which the scale ends; above 1.
 */
export function loadColour(relativeLoad: number, clip: number, theme: ThemeName = 'light'): string {
  const { dead, diverging } = themeOf(theme);
  if (relativeLoad === 0) return dead;
  return mixColours(
    relativeLoad <= 1 ? relativeLoad / 2 : 0.5 + Math.min(1, (relativeLoad - 1) / (clip - 1)) / 2,
    diverging,
  );
}

/** Black or white, whichever is easier to read on a colour `#rrggbb`. */
export function inkOn(colour: string): string {
  const [red, green, blue] = [1, 3, 5].map((i) => {
    const channel = Number.parseInt(colour.slice(i, i + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  // WCAG 2 contrast with white and with black are equal at this relative luminance.
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue! > 0.179 ? '#000000' : '#ffffff';
}
