/** Loss against balance of many runs: what balance costs, and which runs nobody beats in both. */
import type { BalanceMeasure, MeasureRange } from '@lpr/metrics';
import type { EChartsOption, LineSeriesOption, ScatterSeriesOption } from 'echarts';
import { REFERENCE_DASHES } from './curves.ts';
import {
  bandOf,
  DASH_ICONS,
  LEGEND_FONT,
  LEGEND_NAME,
  legendHeight,
  legendOf,
  LINE_ICON,
  niceRange,
  tooltipOf,
  xAxis,
  yAxis,
} from './lines.ts';
import { FONT, lineColour, type ThemeName, themeOf } from './palette.ts';
import { baseOption, panelTitle, type Size } from './parts.ts';
import { escapeHtml, shortNames, textWidth } from './text.ts';

export interface LossBalanceInput {
  readonly runs: readonly {
    readonly name: string;
    /** Runs of one group, such as a router, have one colour. Default: no group. */
    readonly group?: string;
    /** Cross entropy on held-out text, nats per token. */
    readonly loss: number;
    readonly balance: number;
  }[];
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

export function lossBalanceSize(input: LossBalanceInput): Size {
  const width = input.width ?? 760;
  return { width, height: TOP + PLOT_HEIGHT + AXIS_ROOM + legendHeight(legendNames(input), width) };
}

/**
 * ECharts option of loss (up) against balance (to the right) with the Pareto front as a staircase: runs on it are
 * filled and named, others hollow and named where they are few.
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
  const rawGroups = groupsOf(input);
  const groups = shortNames(rawGroups, LEGEND_NAME, LEGEND_FONT);
  const front = paretoFront(runs.map((run) => [better === 'lower' ? run.balance : -run.balance, run.loss]));
  const names = shortNames(
    runs.map((run) => run.name),
    220,
    11,
  );
  const stairs = front
    .toSorted((a, b) => runs[a]!.balance - runs[b]!.balance)
    .map((run) => [runs[run]!.balance, runs[run]!.loss]);
  const all = [...runs.map((run) => run.balance), ...levels.map(({ range }) => range.mean)];
  const balances = niceRange(all, true);
  const least = runs.reduce((loss, run) => Math.min(loss, run.loss), Infinity);
  const most = runs.reduce((loss, run) => Math.max(loss, run.loss), -Infinity);
  // Some room, so that no point lies on the frame.
  const losses = niceRange([least - 0.04 * (most - least), most + 0.04 * (most - least)], false);
  // Towards better balance from a run on the front there is none, so its name covers no other; unless it would leave
  // the picture.
  const sideOf = (run: number): 'left' | 'right' => {
    const room = ((runs[run]!.balance - balances.min) / (balances.max - balances.min)) * (size.width - LEFT - RIGHT);
    const needed = textWidth(names[run]!, 11) * 1.06 + 12;
    if (better === 'lower') return room > needed ? 'left' : 'right';
    return size.width - LEFT - RIGHT - room > needed ? 'right' : 'left';
  };
  return {
    ...baseOption(theme),
    tooltip: tooltipOf('item', theme),
    legend: legendOf(legendNames(input), size, theme, (entry) => iconOf(entry, groups, input)),
    title: [
      panelTitle(
        'Loss against balance',
        [`each point is a run; ${better} ${name} and lower loss are better`],
        { x: LEFT, y: 12, width: size.width - LEFT - RIGHT },
        theme,
      ),
    ],
    grid: { left: LEFT, top: TOP, width: size.width - LEFT - RIGHT, height: PLOT_HEIGHT, outerBoundsMode: 'none' },
    xAxis: [{ ...xAxis({ name, ...balances }, 0, theme), splitLine: { show: true, lineStyle: { color: grid } } }],
    yAxis: [
      {
        ...yAxis(losses, 0, theme),
        name: 'Held-out loss, nats per token',
        nameLocation: 'middle',
        nameGap: 44,
        nameTextStyle: { fontFamily: FONT, fontSize: 12, color: ink },
      },
    ],
    series: [
      ...groups.map((group, i): ScatterSeriesOption => {
        const colour = group === '' ? ink : lineColour(i, themeOf(theme));
        return {
          type: 'scatter',
          name: group,
          color: colour,
          itemStyle: { opacity: 1 },
          symbolSize: 8,
          z: 3,
          labelLayout: { hideOverlap: true },
          data: runs.flatMap((run, at) =>
            (run.group ?? '') !== rawGroups[i]
              ? []
              : [
                  {
                    value: [run.balance, run.loss],
                    itemStyle: {
                      color: front.includes(at) ? colour : background,
                      borderColor: colour,
                      borderWidth: 1.75,
                    },
                    label: {
                      show: front.includes(at) || runs.length <= FEW,
                      formatter: names[at]!,
                      position: sideOf(at),
                      color: front.includes(at) ? ink : inkSoft,
                      fontFamily: FONT,
                      fontSize: 11,
                      textBorderColor: background,
                      textBorderWidth: 3,
                      fontWeight: front.includes(at) ? (600 as const) : (400 as const),
                    },
                    tooltip: {
                      formatter: `${escapeHtml(run.name)}<br>loss ${run.loss.toFixed(4)}, ${name} ${run.balance.toFixed(measure.decimals)}`,
                    },
                  },
                ],
          ),
        };
      }),
      {
        type: 'line',
        name: FRONT,
        data: stairs,
        step: better === 'lower' ? 'end' : 'start',
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
          data: [losses.min, losses.max].map((loss) => [range.mean, loss]),
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

function iconOf(entry: string, groups: readonly string[], { levels = [] }: LossBalanceInput): string {
  if (groups.includes(entry)) return 'circle';
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

function groupsOf({ runs }: LossBalanceInput): string[] {
  return Array.from(new Set(runs.map(({ group = '' }) => group)));
}

function legendNames(input: LossBalanceInput): string[] {
  const { runs, levels = [] } = input;
  if (runs.length === 0) throw new RangeError('loss against balance needs at least one run, got none');
  const groups = shortNames(groupsOf(input), LEGEND_NAME, LEGEND_FONT);
  return [...groups.filter((group) => group !== ''), FRONT, ...levels.map(({ name }) => name)];
}
