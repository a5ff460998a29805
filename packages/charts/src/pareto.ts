/** Loss against balance of many runs: what balance costs, and which runs nobody beats in both. */
import type { BalanceMeasure, MeasureRange } from '@lpr/metrics';
import type { EChartsOption, LineSeriesOption, ScatterSeriesOption } from 'echarts';
import { bandOf, niceRange, xAxis, yAxis } from './axes.ts';
import { DASH_ICONS, legendHeight, legendOf, LINE_ICON, tooltipOf } from './legend.ts';
import { type Look, looksOf, REFERENCE_DASHES } from './looks.ts';
import { FONT, type ThemeName, themeOf } from './palette.ts';
import { baseOption, panelTitle, type Size } from './parts.ts';
import { POINT_FONT, spotsOf } from './point-labels.ts';
import { escapeHtml, shortNames } from './text.ts';

export interface LossBalanceInput {
  /** Names must differ. */
  readonly runs: readonly (Look & {
    readonly name: string;
    /** Cross entropy on held-out text, nats per token. */
    readonly loss: number;
    readonly balance: number;
    /** Single seeds, whose means the numbers are: thin lines lead to them. */
    readonly seeds?: readonly { readonly loss: number; readonly balance: number }[];
  })[];
  /** What `balance` is. */
  readonly measure: Pick<BalanceMeasure, 'title' | 'decimals' | 'growsWithBalance'>;
  /** Levels of the same measure, such as the sampling floor. */
  readonly levels?: readonly { readonly name: string; readonly range: MeasureRange }[];
  /** CSS pixels. Default 760. */
  readonly width?: number;
}

/** Runs off the front are named in a figure of at most so many. */
const FEW = 8;
const FRONT = 'Pareto front';
const PLOT_HEIGHT = 380;
const TOP = 58;
const AXIS_ROOM = 46;
const LEFT = 62;
const RIGHT = 34;
const MAX_NAME = 220;
const SYMBOL = 8;

export function lossBalanceSize(input: LossBalanceInput): Size {
  const width = input.width ?? 760;
  return { width, height: TOP + PLOT_HEIGHT + AXIS_ROOM + legendHeight(legendNames(input), width) };
}

/**
 * ECharts option of loss (up) against balance (to the right) with the Pareto front as a staircase: runs on it are
 * filled and named, others hollow and named where they are few or have a colour; each where its name has room.
 *
 * @throws RangeError for no run, or a number that is not finite.
 */
export function lossBalance(input: LossBalanceInput, theme: ThemeName = 'light'): EChartsOption {
  const { runs, measure, levels = [] } = input;
  for (const run of runs) {
    if (!(Number.isFinite(run.loss) && Number.isFinite(run.balance))) {
      throw new RangeError(`run "${run.name}" has loss ${run.loss} and balance ${run.balance}; both must be finite`);
    }
  }
  const size = lossBalanceSize(input);
  const { ink, inkSoft, axis, grid, background } = themeOf(theme);
  const name = measure.title;
  const better = measure.growsWithBalance ? 'higher' : 'lower';
  const { looks, legend } = looksOf(runs, theme);
  const front = paretoFront(runs.map((run) => [better === 'lower' ? run.balance : -run.balance, run.loss]));
  const names = shortNames(
    runs.map((run) => run.name),
    MAX_NAME,
    POINT_FONT,
  );
  const stairs = front
    .toSorted((a, b) => runs[a]!.balance - runs[b]!.balance)
    .map((run) => [runs[run]!.balance, runs[run]!.loss] as const);
  const points = runs.flatMap((run) => [run, ...(run.seeds ?? [])]);
  const balances = niceRange([...points.map(({ balance }) => balance), ...levels.map(({ range }) => range.mean)], true);
  const least = points.reduce((loss, run) => Math.min(loss, run.loss), Infinity);
  const most = points.reduce((loss, run) => Math.max(loss, run.loss), -Infinity);
  // Some room, so that no point lies on the frame.
  const losses = niceRange([least - 0.04 * (most - least), most + 0.04 * (most - least)], false);
  const step = better === 'lower' ? 'end' : 'start';
  const plot = { left: LEFT, top: TOP, width: size.width - LEFT - RIGHT, height: PLOT_HEIGHT };
  // Names of the front first: nothing else says which of the grey ones those are.
  const named = [...front, ...runs.keys()].filter(
    (run, i) => i < front.length || (!front.includes(run) && (!looks[run]!.isGrey || runs.length <= FEW)),
  );
  const levelLines = levels.map(({ range }): [Point, Point] => [
    [range.mean, losses.min],
    [range.mean, losses.max],
  ]);
  const spots = spotsOf(
    named.map((run) => ({
      at: [runs[run]!.balance, runs[run]!.loss],
      name: names[run]!,
      // Towards better balance from a run on the front there is none.
      side: better === 'lower' ? 'left' : 'right',
    })),
    {
      points: runs.map(({ balance, loss }) => [balance, loss]),
      lines: stepLines(stairs, step),
      faint: levelLines,
    },
    { ...plot, x: balances, y: losses },
    SYMBOL / 2,
  );
  const spotOf = new Map(named.map((run, i) => [run, spots[i]]));
  return {
    ...baseOption(theme),
    tooltip: tooltipOf('item', theme),
    legend: legendOf(legendNames(input), size, theme, (entry) => iconOf(entry, legend, input)),
    title: [
      panelTitle(
        'Loss against balance',
        [`each point is a run, or the mean of its seeds; ${better} ${name} and lower loss are better`],
        { x: LEFT, y: 12, width: size.width - LEFT - RIGHT },
        theme,
      ),
    ],
    grid: { ...plot, outerBoundsMode: 'none' },
    xAxis: [{ ...xAxis({ name, ...balances }, 0, theme), splitLine: { show: true, lineStyle: { color: grid } } }],
    yAxis: [yAxis({ name: 'Held-out loss, nats per token', ...losses }, 0, theme)],
    series: [
      ...runs.flatMap((run, at): (LineSeriesOption | ScatterSeriesOption)[] => {
        const { name: entry, colour, isGrey } = looks[at]!;
        const isBest = front.includes(at);
        const spokes = (run.seeds ?? []).map(
          (seed): LineSeriesOption => ({
            ...{ type: 'line', name: entry, color: colour, symbol: 'none', silent: true, z: 2 },
            data: [run, seed].map(({ balance, loss }) => [balance, loss]),
            lineStyle: { color: colour, width: 1, opacity: 0.5 },
          }),
        );
        const point: ScatterSeriesOption = {
          ...{ type: 'scatter', name: entry, color: colour, symbolSize: SYMBOL },
          z: isGrey && !isBest ? 3 : 4,
          itemStyle: { opacity: 1 },
          data: [
            {
              value: [run.balance, run.loss],
              itemStyle: { color: isBest ? colour : background, borderColor: colour, borderWidth: 1.75 },
              label: {
                show: spotOf.get(at) !== undefined,
                formatter: names[at]!,
                ...spotOf.get(at),
                color: isBest ? ink : inkSoft,
                fontFamily: FONT,
                fontSize: POINT_FONT,
                textBorderColor: background,
                textBorderWidth: 3,
                fontWeight: isBest ? (600 as const) : (400 as const),
              },
            },
          ],
          tooltip: {
            formatter: `${escapeHtml(run.name)}<br>loss ${run.loss.toFixed(4)}, ${name} ${run.balance.toFixed(measure.decimals)}`,
          },
        };
        return [...spokes, point];
      }),
      {
        type: 'line',
        name: FRONT,
        data: stairs.map((point) => [...point]),
        step,
        symbol: 'none',
        color: axis,
        lineStyle: { color: axis, width: 1.25 },
        silent: true,
        z: 1,
      },
      ...levels.map(
        ({ name: level, range }, i): LineSeriesOption => ({
          type: 'line',
          name: level,
          data: levelLines[i]!.map((end) => [...end]),
          markArea: bandOf('xAxis', [range.low, range.high], inkSoft),
          symbol: 'none',
          color: inkSoft,
          lineStyle: { color: inkSoft, width: 1.25, type: [...REFERENCE_DASHES[i % REFERENCE_DASHES.length]!] },
          silent: true,
          z: 1,
        }),
      ),
    ],
  };
}

type Point = readonly [number, number];

/** The lines of a staircase: along one axis to the next point, and along the other. */
function stepLines(stairs: readonly Point[], step: 'start' | 'end'): [Point, Point][] {
  return stairs.slice(1).flatMap((to, i): [Point, Point][] => {
    const from = stairs[i]!;
    const corner: Point = step === 'end' ? [to[0], from[1]] : [from[0], to[1]];
    return [
      [from, corner],
      [corner, to],
    ];
  });
}

function iconOf(entry: string, runs: readonly string[], { levels = [] }: LossBalanceInput): string {
  if (runs.includes(entry)) return 'circle';
  const level = levels.findIndex(({ name }) => name === entry);
  return level < 0 ? LINE_ICON : DASH_ICONS[level % DASH_ICONS.length]!;
}

/**
 * Indices of the points that no other point beats: none is at most as large in both coordinates and smaller in one.
 * In the order of the first coordinate.
 */
export function paretoFront(points: readonly (readonly [number, number])[]): number[] {
  const order = points
    .map((_, i) => i)
    .toSorted((a, b) => points[a]![0] - points[b]![0] || points[a]![1] - points[b]![1]);
  const front: number[] = [];
  for (const i of order) {
    const last = points[front.at(-1) ?? -1];
    if (last === undefined || points[i]![1] < last[1] || (points[i]![0] === last[0] && points[i]![1] === last[1]))
      front.push(i);
  }
  return front;
}

function legendNames({ runs, levels = [] }: LossBalanceInput): string[] {
  if (runs.length === 0) throw new RangeError('loss against balance needs at least one run, got none');
  return [...looksOf(runs, 'light').legend, FRONT, ...levels.map(({ name }) => name)];
}
