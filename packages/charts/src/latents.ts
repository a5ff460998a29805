/**
 * The latent space of a prototype router, by its two principal components: which tokens gather around which prototype.
 */
import type { EChartsOption, ScatterSeriesOption } from 'echarts';
import { niceRange, xAxis, yAxis } from './axes.ts';
import { tooltipOf } from './legend.ts';
import { FONT, lineColour, type ThemeName, themeOf } from './palette.ts';
import { baseOption, panelTitle, type Size } from './parts.ts';
import { escapeHtml, oneLine } from './text.ts';

export interface LatentsInput {
  /** One panel each, such as a layer. */
  readonly panels: readonly {
    readonly name: string;
    /** `[n][2]`: latents of tokens on the two components. */
    readonly points: readonly ArrayLike<number>[];
    /** `[n]`: first expert of each token. */
    readonly experts: ArrayLike<number>;
    /** `[M][2]`: prototypes on the same components. */
    readonly prototypes: readonly ArrayLike<number>[];
    /** Share of the variance that each component explains. */
    readonly explained: readonly [number, number];
    /** `[n]`: the tokens themselves; with them a point says its own, and can be clicked. */
    readonly texts?: readonly string[];
    /** The token that is looked at. */
    readonly chosen?: number;
  }[];
  /** CSS pixels. Default 560 for one panel, 420 each for more, three side by side at most. */
  readonly width?: number;
}

type Panel = LatentsInput['panels'][number];

const LEFT = 58;
const RIGHT = 24;
const GAP = 62;
const TOP = 58;
const AXIS_ROOM = 46;
export function latentsSize(input: LatentsInput): Size {
  const { width, perRow, plot } = layout(input);
  return { width, height: Math.ceil(input.panels.length / perRow) * (TOP + plot + AXIS_ROOM) + 8 };
}

function layout({ panels, width }: LatentsInput): { width: number; perRow: number; plot: number } {
  if (panels.length === 0) throw new RangeError('a latent space needs at least one panel, got none');
  const perRow = Math.min(3, panels.length);
  const whole = width ?? (perRow === 1 ? 560 : 420 * perRow);
  return { width: whole, perRow, plot: Math.floor((whole - LEFT - RIGHT - GAP * (perRow - 1)) / perRow) };
}

/**
 * ECharts option of latents and prototypes in a plane. In each panel the busiest experts have a colour, as many as
 * there are colours, with their numbers at their prototypes; the tokens of the others are grey.
 *
 * @throws RangeError for no panel, or where there is not one expert for each point.
 */
export function latentSpace(input: LatentsInput, theme: ThemeName = 'light'): EChartsOption {
  const { panels } = input;
  const { perRow, plot } = layout(input);
  const placeOf = (panel: number): { x: number; y: number } => ({
    x: LEFT + (panel % perRow) * (plot + GAP),
    y: Math.floor(panel / perRow) * (TOP + plot + AXIS_ROOM),
  });
  const { axis, grid } = themeOf(theme);
  const ranges = panels.map(rangeOf);
  return {
    ...baseOption(theme),
    tooltip: tooltipOf('item', theme),
    title: panels.map(({ name }, panel) => {
      const { x, y } = placeOf(panel);
      const place = { x, y: y + 12, width: plot + GAP / 2 };
      return panelTitle(
        name,
        ['dots: tokens by first expert, diamonds: prototypes', 'tokens and prototypes'],
        place,
        theme,
      );
    }),
    grid: panels.map((_, panel) => {
      const { x, y } = placeOf(panel);
      return { left: x, top: y + TOP, width: plot, height: plot, outerBoundsMode: 'none' };
    }),
    xAxis: panels.map(({ explained }, panel) => ({
      ...xAxis({ name: componentName(1, explained[0]), ...ranges[panel]! }, panel, theme),
      axisLine: { onZero: false, lineStyle: { color: axis } },
      splitLine: { show: true, lineStyle: { color: grid } },
    })),
    yAxis: panels.map(({ explained }, panel) => ({
      ...yAxis({ name: componentName(2, explained[1]), ...ranges[panel]! }, panel, theme),
      nameGap: 36,
    })),
    series: panels.flatMap((content, panel) => seriesOf(content, panel, theme)),
  };
}

function componentName(number: number, explained: number): string {
  if (Number.isNaN(explained)) return `Component ${number}`;
  return `Component ${number} (${Math.round(100 * explained)}% of the variance)`;
}

/** One range for both axes, so that distances are the same in all directions. */
function rangeOf({ name, points, experts, prototypes }: Panel): ReturnType<typeof niceRange> {
  if (points.length !== experts.length || points.length === 0) {
    throw new RangeError(
      `"${name}" has ${points.length} points, but experts of ${experts.length}; each needs its expert`,
    );
  }
  let reach = 0;
  for (const [x, y] of [...points, ...prototypes].map(coordinates)) reach = Math.max(reach, Math.abs(x), Math.abs(y));
  return niceRange([-reach, reach], false);
}

function coordinates(point: ArrayLike<number>): [number, number] {
  return [point[0]!, point[1]!];
}

/** The third value of a point is its token, or its expert. */
function seriesOf(content: Panel, panel: number, theme: ThemeName): ScatterSeriesOption[] {
  const { points, experts, prototypes, texts, chosen } = content;
  const { lines, muted, ink, inkSoft, background } = themeOf(theme);
  const load = new Map<number, number>();
  for (const expert of Array.from(experts)) load.set(expert, (load.get(expert) ?? 0) + 1);
  const busiest = Array.from(load.keys())
    .toSorted((a, b) => load.get(b)! - load.get(a)! || a - b)
    .slice(0, lines.length);
  const colourOf = (expert: number): string | undefined =>
    busiest.includes(expert) ? lineColour(busiest.indexOf(expert), themeOf(theme)) : undefined;
  // The grey ones below.
  const order = points
    .map((_, i) => i)
    .toSorted((a, b) => Number(!!colourOf(experts[a]!)) - Number(!!colourOf(experts[b]!)));
  return [
    {
      type: 'scatter',
      xAxisIndex: panel,
      yAxisIndex: panel,
      symbolSize: texts !== undefined ? 9 : points.length > 2000 ? 2.5 : 4,
      silent: texts === undefined,
      clip: true,
      data: order.map((i) => ({
        value: [...coordinates(points[i]!), i],
        itemStyle: { color: colourOf(experts[i]!) ?? muted, opacity: points.length > 500 ? 0.55 : 0.8 },
        ...(texts !== undefined && { tooltip: { formatter: () => tokenText(content, i) } }),
        ...(i === chosen && chosenPoint(content, i, colourOf(experts[i]!) ?? muted, theme)),
      })),
    },
    {
      type: 'scatter',
      xAxisIndex: panel,
      yAxisIndex: panel,
      symbol: 'diamond',
      z: 4,
      labelLayout: { hideOverlap: true },
      data: prototypes.map((prototype, expert) => {
        const colour = colourOf(expert);
        return {
          value: [...coordinates(prototype), expert],
          symbolSize: colour ? 13 : 8,
          itemStyle: { color: colour ?? inkSoft, borderColor: background, borderWidth: 1.25 },
          label: {
            show: colour !== undefined || prototypes.length <= 16,
            formatter: String(expert),
            position: prototype[0]! > 0 ? ('left' as const) : ('right' as const),
            fontFamily: FONT,
            fontSize: 11,
            fontWeight: 600 as const,
            color: ink,
            textBorderColor: background,
            textBorderWidth: 2.5,
          },
          tooltip: { formatter: `prototype ${expert}: first expert of ${load.get(expert) ?? 0} tokens` },
        };
      }),
    },
  ];
}

function tokenText({ texts, experts }: Panel, token: number): string {
  return `${escapeHtml(oneLine(texts?.[token] ?? ''))}: first expert ${experts[token]}`;
}

/** The token that is looked at: larger, ringed and named. */
function chosenPoint({ texts, points }: Panel, token: number, colour: string, theme: ThemeName): object {
  const { ink, background } = themeOf(theme);
  return {
    symbolSize: 15,
    itemStyle: { color: colour, borderColor: ink, borderWidth: 2.5, opacity: 1 },
    label: {
      show: texts !== undefined,
      formatter: () => oneLine(texts?.[token] ?? ''),
      position: points[token]![1]! > 0 ? 'bottom' : 'top',
      fontFamily: FONT,
      fontSize: 12,
      fontWeight: 600,
      color: ink,
      textBorderColor: background,
      textBorderWidth: 2.5,
    },
  };
}
