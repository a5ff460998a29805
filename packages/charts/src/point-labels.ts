/** Names beside points: over no point, name or line, and clear of all points but their own. */
import { textWidth } from './text.ts';

export const POINT_FONT = 11;
const LINE_HEIGHT = 13;
/** From the edge of a point to its name, as ECharts leaves it. */
const DISTANCE = 5;
/** From a name to any other point: enough that it is not taken for that one's. */
const [CLEAR_ACROSS, CLEAR_UP] = [10, 4];
/** Points that lie within so many pixels are one place: what names one of them names that. */
const SAME_PLACE = 1;

/** Where a name stands from its point, and which part of it is there, as ECharts says it. */
interface Spot {
  readonly position: 'left' | 'right' | 'top' | 'bottom';
  readonly align: 'left' | 'center' | 'right';
}

type Place = readonly [x: number, y: number];
type Line = readonly [Place, Place];

/** Axes of a figure, and where they are in it, CSS pixels. */
export interface Plot {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly x: { readonly min: number; readonly max: number };
  readonly y: { readonly min: number; readonly max: number };
}

export interface NamedPoint {
  /** On the axes. */
  readonly at: Place;
  readonly name: string;
  /** Where its name had best be. */
  readonly side: 'left' | 'right';
}

/** What names must leave free, on the axes. */
export interface Obstacles {
  readonly points: readonly Place[];
  /** Ends of straight lines. */
  readonly lines: readonly Line[];
  /** The same of lines that a name may cross where there is no other room for it. */
  readonly faint?: readonly Line[];
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/**
 * Where each name stands beside its point; undefined for one that has no room. The first come first.
 *
 * @param radius of the points, CSS pixels
 */
export function spotsOf(
  named: readonly NamedPoint[],
  { points, lines, faint = [] }: Obstacles,
  plot: Plot,
  radius: number,
): (Spot | undefined)[] {
  const placeOf = ([x, y]: Place): Place => [
    plot.left + (plot.width * (x - plot.x.min)) / (plot.x.max - plot.x.min),
    plot.top + plot.height * (1 - (y - plot.y.min) / (plot.y.max - plot.y.min)),
  ];
  const places = points.map(placeOf);
  const drawnOf = (ends: readonly Line[]): Line[] => ends.map(([from, to]) => [placeOf(from), placeOf(to)]);
  const [drawn, drawnFaintly] = [drawnOf(lines), drawnOf(faint)];
  const taken: Box[] = [];
  return named.map(({ at, name, side }) => {
    const own = placeOf(at);
    const others = places
      .filter(([x, y]) => Math.hypot(x - own[0], y - own[1]) > SAME_PLACE)
      .map((place) => boxAround(place, radius + CLEAR_ACROSS, radius + CLEAR_UP));
    const isFree = (box: Box): boolean =>
      isIn(box, plot) &&
      ![...taken, ...others].some((other) => meet(box, other)) &&
      !drawn.some((line) => crosses(line, box));
    const free = spotsFrom(side)
      .map((spot) => ({ spot, box: nameBox(own, name, spot, radius + DISTANCE) }))
      .filter(({ box }) => isFree(box));
    const best = free.find(({ box }) => !drawnFaintly.some((line) => crosses(line, box))) ?? free[0];
    if (best === undefined) return undefined;
    taken.push(best.box);
    return best.spot;
  });
}

/** The best first: beside the point, and then below and above it. */
function spotsFrom(side: 'left' | 'right'): Spot[] {
  return [
    ...(side === 'left' ? (['left', 'right'] as const) : (['right', 'left'] as const)).map(
      (position): Spot => ({ position, align: position === 'left' ? 'right' : 'left' }),
    ),
    ...(['bottom', 'top'] as const).flatMap((position) =>
      (['center', 'left', 'right'] as const).map((align): Spot => ({ position, align })),
    ),
  ];
}

/** @param away from the middle of the point, CSS pixels */
function nameBox([x, y]: Place, name: string, { position, align }: Spot, away: number): Box {
  // Widths are known to a few hundredths, and some names are bold.
  const [across, up] = [(1.06 * textWidth(name, POINT_FONT)) / 2, LINE_HEIGHT / 2];
  const start = x + { left: -away, right: away, top: 0, bottom: 0 }[position];
  const middle = start + { left: across, center: 0, right: -across }[align];
  return boxAround([middle, y + { left: 0, right: 0, top: -away - up, bottom: away + up }[position]], across, up);
}

function boxAround([x, y]: Place, across: number, up: number): Box {
  return { left: x - across, right: x + across, top: y - up, bottom: y + up };
}

/** Above and below, half a line of text reaches beyond the axes and no further than the numbers on them. */
function isIn({ left, right, top, bottom }: Box, plot: Plot): boolean {
  const [least, most] = [plot.top - LINE_HEIGHT / 2, plot.top + plot.height + LINE_HEIGHT / 2];
  return left >= plot.left && right <= plot.left + plot.width && top >= least && bottom <= most;
}

function meet(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

function crosses([from, to]: Line, { left, right, top, bottom }: Box): boolean {
  const [begin, end] = between(from[0], to[0], left, right);
  const [first, last] = between(from[1], to[1], top, bottom);
  return Math.max(begin, first, 0) < Math.min(end, last, 1);
}

/** Which part of the way between two numbers, from 0 to 1, lies in a range. */
function between(from: number, to: number, low: number, high: number): readonly [number, number] {
  if (from === to) return low < from && from < high ? [0, 1] : [1, 0];
  const [a, b] = [(low - from) / (to - from), (high - from) / (to - from)];
  return [Math.min(a, b), Math.max(a, b)];
}
