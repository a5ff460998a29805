/** Settings of many runs against their results: an axis for each, a line for each run, coloured by its loss. */
import type { EChartsOption, ParallelSeriesOption } from 'echarts';
import { tooltipOf } from './legend.ts';
import { FONT, mixColours, type ThemeName, themeOf } from './palette.ts';
import { baseOption, panelTitle, type Size } from './parts.ts';
import { escapeHtml, shortNames } from './text.ts';

export interface ParallelCoordinatesInput {
  /** From left to right; at least one. */
  readonly axes: readonly ParallelAxis[];
  readonly runs: readonly {
    readonly name: string;
    /** Of each axis; null where the run has none: its line goes through a place of its own below the others. */
    readonly values: readonly (number | string | null)[];
  }[];
  /** The axis whose numbers colour the lines, such as the loss. */
  readonly colourAxis: number;
  /** CSS pixels. Default: as wide as the axes need. */
  readonly width?: number;
}

export interface ParallelAxis {
  readonly title: string;
  /** Numbers, numbers on a logarithmic axis (all above 0), or words in the order of their first runs. */
  readonly kind: 'linear' | 'log' | 'category';
}

const TOP = 96;
const PLOT_HEIGHT = 340;
const BOTTOM = 28;
const LEFT = 70;
const RIGHT = 70;
/** Between axes, and where there is little room. */
const SPACING = 112;
const LEAST_SPACING = 64;
const LEAST_WIDTH = 560;
/** What a run without a value has. */
const NONE = 'none';

export function parallelCoordinatesSize({ axes, width }: ParallelCoordinatesInput): Size {
  const needed = (spacing: number): number => LEFT + RIGHT + spacing * Math.max(1, axes.length - 1);
  const own = width === undefined ? Math.max(LEAST_WIDTH, needed(SPACING)) : Math.max(width, needed(LEAST_SPACING));
  return { width: own, height: TOP + PLOT_HEIGHT + BOTTOM };
}

/**
 * ECharts option of a line for each run across the axes. The lower a run is on the axis that colours, the stronger its
 * line, and those are drawn last.
 *
 * @throws RangeError for no axis, a run with other values than axes, or a number that its axis cannot show
 */
export function parallelCoordinates(input: ParallelCoordinatesInput, theme: ThemeName = 'light'): EChartsOption {
  const { axes, runs, colourAxis } = input;
  check(input);
  const size = parallelCoordinatesSize(input);
  const { ink, inkSoft, axis: axisColour, background, sequential } = themeOf(theme);
  const spacing = (size.width - LEFT - RIGHT) / Math.max(1, axes.length - 1);
  const titles = shortNames(
    axes.map(({ title }) => title),
    spacing - 8,
    11.5,
  );
  const numbers = runs.map(({ values }) => values[colourAxis]).filter((value) => typeof value === 'number');
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const strengthOf = (value: number | string | null | undefined): number =>
    typeof value !== 'number' ? 0 : most === least ? 1 : (most - value) / (most - least);
  const scales = axes.map(({ kind }, i) =>
    scaleOf(
      kind,
      runs.map(({ values }) => values[i]!),
    ),
  );
  const ordered = runs.toSorted((a, b) => strengthOf(a.values[colourAxis]) - strengthOf(b.values[colourAxis]));
  return {
    ...baseOption(theme),
    tooltip: tooltipOf('item', theme),
    title: [
      panelTitle(
        'Settings against results',
        [
          `each line is a run; the darker, the lower its ${axes[colourAxis]!.title}`,
          `the darker, the lower ${axes[colourAxis]!.title}`,
        ],
        { x: 16, y: 12, width: size.width - 32 },
        theme,
      ),
    ],
    parallel: { left: LEFT, right: RIGHT, top: TOP, height: PLOT_HEIGHT },
    parallelAxis: scales.map((scale, dim) => {
      const last = dim === axes.length - 1;
      // Inside of the figure a label has the room up to the next axis.
      const room = (last && axes.length > 1 ? RIGHT : spacing) - 16;
      return {
        dim,
        z: 10,
        name: titles[dim]!,
        nameLocation: 'end' as const,
        nameGap: 14,
        nameTextStyle: { fontFamily: FONT, fontSize: 11.5, color: ink, align: 'center' as const },
        axisLine: { lineStyle: { color: axisColour } },
        // Of words, one at each: ECharts puts them between words where it is not told otherwise.
        axisTick: { lineStyle: { color: axisColour }, ...(scale.kind === 'category' && { alignWithLabel: true }) },
        axisLabel: {
          fontFamily: FONT,
          fontSize: 11,
          color: inkSoft,
          // Lines cross them.
          textBorderColor: background,
          textBorderWidth: 3,
          hideOverlap: true,
          showMinLabel: true,
          formatter: (value: number | string) => {
            if (typeof value === 'string') return value;
            return isNone(value, scale) ? NONE : numberText(value);
          },
        },
        ...(scale.kind === 'category'
          ? { type: 'category' as const, data: shortNames(scale.words, room, 11), boundaryGap: true }
          : { type: scale.kind === 'log' ? ('log' as const) : ('value' as const), ...scale.range }),
      };
    }),
    series: ordered.map(
      ({ name, values }): ParallelSeriesOption => ({
        type: 'parallel',
        name,
        smooth: false,
        lineStyle: {
          width: runs.length > 24 ? 1.25 : 1.75,
          opacity: 0.85,
          color: mixColours(0.3 + 0.7 * strengthOf(values[colourAxis]), sequential),
        },
        emphasis: { lineStyle: { width: 3, opacity: 1 } },
        tooltip: {
          formatter: [
            name,
            ...axes.flatMap(({ title }, i) => (values[i] === null ? [] : [`${title} ${String(values[i])}`])),
          ]
            .map(escapeHtml)
            .join('<br>'),
        },
        data: [values.map((value, i) => pointOf(scales[i]!, value))],
      }),
    ),
  };
}

function check({ axes, runs }: ParallelCoordinatesInput): void {
  if (axes.length === 0) throw new RangeError('parallel coordinates need at least one axis, got none');
  for (const { name, values } of runs) {
    if (values.length !== axes.length) {
      throw new RangeError(`run "${name}" has ${values.length} values; there are ${axes.length} axes`);
    }
    for (const [i, value] of values.entries()) {
      const { title, kind } = axes[i]!;
      if (value === null || kind === 'category') continue;
      if (typeof value === 'number' && Number.isFinite(value) && (kind === 'linear' || value > 0)) continue;
      throw new RangeError(`run "${name}" has ${JSON.stringify(value)} on the ${kind} axis "${title}"`);
    }
  }
}

type Value = number | string | null;

/** What an axis goes over. */
type Scale =
  | { readonly kind: 'category'; readonly words: readonly string[] }
  | { readonly kind: 'linear' | 'log'; readonly range: Range; readonly isMissing: boolean };

interface Range {
  readonly min?: number;
  readonly max?: number;
  readonly scale?: true;
}

function scaleOf(kind: ParallelAxis['kind'], values: readonly Value[]): Scale {
  const isMissing = values.includes(null);
  if (kind !== 'category') return { kind, isMissing, range: rangeOf(kind, values, isMissing) };
  // From below; where some run has none, that comes first.
  const words = [...(isMissing ? [NONE] : []), ...values.flatMap((value) => (value === null ? [] : [String(value)]))];
  return { kind, words: [...new Set(words)] };
}

/** Where a line crosses an axis: a number, or the place of a word. */
function pointOf(scale: Scale, value: Value): number {
  if (scale.kind === 'category') return scale.words.indexOf(value === null ? NONE : String(value));
  return typeof value === 'number' ? value : scale.range.min!;
}

/** Whether a label is that of the place of runs without a value; an axis may have computed it from a logarithm. */
function isNone(value: number, scale: Scale): boolean {
  if (scale.kind === 'category' || !scale.isMissing) return false;
  const place = scale.range.min!;
  return Math.abs(value - place) <= 1e-9 * Math.abs(place);
}

/** Room below the least value for runs that have none, as a share of the range. */
const BELOW = 0.15;

/** From the least to the largest value, with room where all are one, and below for runs that have none. */
function rangeOf(kind: 'linear' | 'log', values: readonly Value[], isMissing: boolean): Range {
  const numbers = values.filter((value) => typeof value === 'number');
  if (numbers.length === 0) return kind === 'log' ? { min: 0.1, max: 10 } : { min: 0, max: 1 };
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  if (least === most) {
    // Of one value it is the middle.
    const room = least === 0 ? 1 : 10 ** Math.floor(Math.log10(Math.abs(least)));
    return kind === 'log' ? { min: least / 10, max: least * 10 } : { min: least - room, max: least + room };
  }
  if (!isMissing) return kind === 'log' ? {} : { scale: true };
  return { min: kind === 'log' ? least * (least / most) ** BELOW : least - BELOW * (most - least) };
}

/** At most four digits; powers of ten where these are shorter. */
function numberText(value: number): string {
  const rounded = Number(value.toPrecision(4));
  const size = Math.abs(rounded);
  return size !== 0 && (size >= 1e5 || size < 1e-3) ? rounded.toExponential().replace('+', '') : String(rounded);
}
