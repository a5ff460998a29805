/** How a reader looks at panels of lines: a part of the axis, logarithmic axes, smoothed lines. */
import type { Line, LineFigure, LinePanel } from './lines.ts';

export interface LineView {
  /** What is across, where a figure knows several. Default: steps. */
  readonly x?: XAxisKind;
  /** The part of the axis that is shown, in its unit. Default: all of it. */
  readonly range?: readonly [from: number, to: number];
  readonly logX?: boolean;
  /** Of panels without a value above 0 it stays linear. */
  readonly logY?: boolean;
  /** Per cent of a line's points that each point is the mean of. Default: as the figure likes. */
  readonly smoothing?: number;
}

export type XAxisKind = 'step' | 'tokens' | 'minutes';

type Point = readonly [x: number, value: number];

/** The figure as it is looked at. */
export function viewed(figure: LineFigure, view: LineView): LineFigure {
  return { ...figure, panels: figure.panels.map((panel) => viewedPanel(panel, view)) };
}

function viewedPanel(panel: LinePanel, { range, logX = false, logY = false, smoothing }: LineView): LinePanel {
  const smoothed = panel.lines.map((line) =>
    smoothing === undefined || line.label === undefined ? line : smoothedLine(line, smoothing),
  );
  const [from, to] = rangeOf(panel, range, logX);
  const lines = smoothed.map((line): Line => {
    const { spread } = line;
    return {
      ...line,
      points: within(line.points, from, to),
      ...(spread && { spread: spread.filter(([x]) => x >= from && x <= to) }),
    };
  });
  const x = { ...panel.x, min: from, max: to, ...(logX && from > 0 && { type: 'log' as const }) };
  const axis = logY ? logarithmic(lines) : null;
  if (axis === null) return { ...panel, x, lines };
  const above = (value: number): number => Math.max(axis.min, value);
  return {
    ...panel,
    x,
    y: { ...panel.y, ...axis, type: 'log' },
    lines: lines.map(
      (line): Line => ({
        ...line,
        points: line.points.filter(([, value]) => value > 0),
        ...(line.band && { band: [above(line.band[0]), above(line.band[1])] }),
        ...(line.spread && { spread: line.spread.map(([at, low, high]) => [at, above(low), above(high)]) }),
      }),
    ),
  };
}

/** A logarithmic axis begins above 0: at the first point there is. */
function rangeOf({ x, lines }: LinePanel, range: LineView['range'], logX: boolean): [number, number] {
  const all = lines.flatMap(({ points }) => points.flatMap(([at]) => (at > 0 ? [at] : [])));
  const least = logX ? all.reduce((a, b) => Math.min(a, b), x.max) : x.min;
  if (range === undefined) return [Math.max(least, x.min), x.max];
  const [from, to] = [Math.max(range[0], least), Math.min(range[1], x.max)];
  // What lies outside of the axis shows nothing.
  return from < to ? [from, to] : [Math.max(least, x.min), x.max];
}

/** The points of a part of the axis; where the line crosses its ends, there too. */
function within(points: readonly Point[], from: number, to: number): readonly Point[] {
  if (points.every(([x]) => x >= from && x <= to)) return points;
  const found: Point[] = [];
  for (const [i, point] of points.entries()) {
    const before = points[i - 1];
    if (before !== undefined) {
      for (const edge of [from, to]) {
        if (before[0] < edge && point[0] > edge) found.push([edge, between(before, point, edge)]);
      }
    }
    if (point[0] >= from && point[0] <= to) found.push(point);
  }
  return found;
}

/** The value at a place on a line from 0 through points, which are ascending; after the last one it goes on. */
export function valueAt(points: readonly Point[], x: number): number {
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (points[middle]![0] < x) low = middle + 1;
    else high = middle;
  }
  return between(points[low - 1] ?? [0, 0], points[low] ?? [0, 0], x);
}

/** The value at a place on the line through two points. */
function between([x0, y0]: Point, [x1, y1]: Point, x: number): number {
  return x1 === x0 ? y1 : y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
}

function smoothedLine(line: Line, percent: number): Line {
  const reach = Math.round((line.points.length * percent) / 200);
  return line.faint === true || reach === 0 ? line : { ...line, points: movingAverage(line.points, reach) };
}

/** Each value averaged with so many neighbours on either side. */
export function movingAverage(points: readonly Point[], reach: number): Point[] {
  // Sums up to each point, so that long runs take no longer a point than short ones.
  const sums = [0];
  for (const [, value] of points) sums.push(sums.at(-1)! + value);
  return points.map(([x], i) => {
    const [from, to] = [Math.max(0, i - reach), Math.min(points.length, i + reach + 1)];
    return [x, (sums[to]! - sums[from]!) / (to - from)];
  });
}

/** Round ends of a logarithmic axis: powers of ten where values differ by more than one, else one digit. */
function logarithmic(lines: readonly Line[]): { min: number; max: number } | null {
  const values = lines.flatMap(({ points }) => points.flatMap(([, value]) => (value > 0 ? [value] : [])));
  if (values.length === 0) return null;
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const unitOf = (value: number): number => Number(`1e${Math.floor(Math.log10(value))}`);
  if (high / low > 10) {
    const max = unitOf(high);
    return { min: unitOf(low), max: max < high ? Number((10 * max).toPrecision(12)) : max };
  }
  const unit = unitOf(low);
  const [min, max] = [Math.floor(low / unit) * unit, Math.ceil(high / unit) * unit];
  return { min: Number(min.toPrecision(12)), max: Number((max > min ? max : min + unit).toPrecision(12)) };
}
