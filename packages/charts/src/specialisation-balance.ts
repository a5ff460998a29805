/** Specialisation against balance over training: a path for each run, from its first evaluation to its last. */
import type { MeasureRange } from '@lpr/metrics';
import type { EChartsOption, LineSeriesOption, ScatterSeriesOption } from 'echarts';
import { bandOf, niceRange, xAxis, yAxis } from './axes.ts';
import { legendHeight, legendOf, tooltipOf } from './legend.ts';
import { type DrawnLook, type Look, looksOf, namesOf, REFERENCE_DASHES } from './looks.ts';
import { FONT, type ThemeName, themeOf } from './palette.ts';
import { baseOption, panelTitle, type Size } from './parts.ts';
import { POINT_FONT, spotsOf } from './point-labels.ts';
import { escapeHtml } from './text.ts';

export interface SpecialisationBalanceInput {
  /** Names must differ. */
  readonly runs: readonly (Look & {
    readonly name: string;
    /** In the order of training; at least one. */
    readonly points: readonly {
      readonly step: number;
      /** Gini coefficient of the loads. */
      readonly gini: number;
      /** Mutual information of expert and token in nats, less its bias: below 0 where there is less than that. */
      readonly information: number;
    }[];
  })[];
  /** Gini of routers without structure, such as the sampling floor. */
  readonly levels?: readonly { readonly name: string; readonly range: MeasureRange }[];
  /** CSS pixels. Default 760. */
  readonly width?: number;
}

const PLOT_HEIGHT = 380;
const TOP = 58;
const AXIS_ROOM = 46;
const LEFT = 62;
const RIGHT = 34;
/** Of the dots on a path, and of the circles at its ends. */
const [DOT, END] = [4, 9];

export function specialisationBalanceSize(input: SpecialisationBalanceInput): Size {
  const width = input.width ?? 760;
  return { width, height: TOP + PLOT_HEIGHT + AXIS_ROOM + legendHeight(legendNames(input), width) };
}

/**
 * ECharts option of mutual information (up) against balance, 1 - Gini (to the right): a hollow circle where a run was
 * evaluated first, a filled one where last.
 *
 * @throws RangeError where there is no run, one has no point or a number that is not finite, or two have one name.
 */
export function specialisationBalance(input: SpecialisationBalanceInput, theme: ThemeName = 'light'): EChartsOption {
  const { runs, levels = [] } = input;
  const size = specialisationBalanceSize(input);
  const { ink, inkSoft, grid, background } = themeOf(theme);
  const { looks, legend } = looksOf(runs, theme);
  const names = legendNames(input);
  for (const { name, points } of runs) {
    if (points.length === 0) throw new RangeError(`run "${name}" has no evaluation`);
    const wrong = points.find(({ gini, information }) => !(Number.isFinite(gini) && Number.isFinite(information)));
    if (wrong !== undefined) {
      throw new RangeError(
        `run "${name}" has Gini ${wrong.gini} and information ${wrong.information} at step ${wrong.step}; both must be finite`,
      );
    }
  }
  const all = runs.flatMap(({ points }) => points);
  const across = niceRange([...all.map(({ gini }) => 1 - gini), ...levels.map(({ range }) => 1 - range.mean)], false);
  const up = niceRange([0, ...all.map(({ information }) => information)], true);
  const balances = { ...across, max: Math.min(1, across.max) };
  const plot = { left: LEFT, top: TOP, width: size.width - LEFT - RIGHT, height: PLOT_HEIGHT };
  const labels = endNames(runs, looks).map(({ run, name }) => ({ run, name, at: placeOf(runs[run]!.points.at(-1)!) }));
  const levelLines = levels.map(({ range }): [Place, Place] => [
    [1 - range.mean, up.min],
    [1 - range.mean, up.max],
  ]);
  const spots = spotsOf(
    // A name stands where there is more room.
    labels.map(({ name, at }) => ({ name, at, side: at[0] > (balances.min + balances.max) / 2 ? 'left' : 'right' })),
    {
      points: all.map(placeOf),
      // The paths of the grey runs are pale, and everywhere.
      lines: runs.flatMap(({ points }, i) => (looks[i]!.isGrey ? [] : linesOf(points))),
      faint: levelLines,
    },
    { ...plot, x: balances, y: up },
    END / 2,
  );
  const labelOf = new Map(labels.map(({ run, name }, i) => [run, { name, spot: spots[i] }]));
  return {
    ...baseOption(theme),
    tooltip: tooltipOf('item', theme),
    legend: legendOf(names, size, theme),
    title: [
      panelTitle(
        'Specialisation against balance',
        [
          'paths of training: hollow at the first evaluation, filled at the last; up more specialised, right more even',
          'hollow: first evaluation, filled: last',
        ],
        { x: LEFT, y: 12, width: size.width - LEFT - RIGHT },
        theme,
      ),
    ],
    grid: { ...plot, outerBoundsMode: 'none' },
    xAxis: [
      {
        ...xAxis({ name: 'Balance, 1 - Gini', ...balances }, 0, theme),
        splitLine: { show: true, lineStyle: { color: grid } },
      },
    ],
    yAxis: [yAxis({ name: 'I(expert; token) less its bias, nats', ...up }, 0, theme)],
    series: [
      ...runs.flatMap(({ name, points }, run): (LineSeriesOption | ScatterSeriesOption)[] => {
        const { name: entry, colour, isGrey } = looks[run]!;
        const label = labelOf.get(run);
        const path = points.map((point, i) => ({
          value: [...placeOf(point)],
          symbolSize: i === points.length - 1 || i === 0 ? END : DOT,
          itemStyle: {
            color: i === 0 && points.length > 1 ? background : colour,
            borderColor: colour,
            borderWidth: 1.75,
          },
          // Where it ends, so that it need not be looked up in the legend.
          ...(i === points.length - 1 &&
            label?.spot !== undefined && {
              label: {
                ...{ show: true, formatter: label.name, ...label.spot },
                ...{ color: ink, fontFamily: FONT, fontSize: POINT_FONT },
                ...{ textBorderColor: background, textBorderWidth: 3 },
              },
            }),
          tooltip: { formatter: tooltipText(name, point) },
        }));
        return [
          {
            type: 'line',
            name: entry,
            data: path.map(({ value }) => value),
            color: colour,
            symbol: 'none',
            silent: true,
            lineStyle: { color: colour, width: 1.5 },
            z: isGrey ? 1 : 2,
          },
          {
            type: 'scatter',
            name: entry,
            color: colour,
            data: path,
            z: isGrey ? 2 : 3,
          },
        ];
      }),
      ...levels.map(
        ({ range: { low, high } }, i): LineSeriesOption => ({
          type: 'line',
          name: names[legend.length + i]!,
          data: levelLines[i]!.map((end) => [...end]),
          markArea: bandOf('xAxis', [1 - high, 1 - low], inkSoft),
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

type Runs = SpecialisationBalanceInput['runs'];
type Point = Runs[number]['points'][number];
type Place = readonly [number, number];

function placeOf({ gini, information }: Point): Place {
  return [1 - gini, information];
}

function linesOf(points: readonly Point[]): [Place, Place][] {
  return points.slice(1).map((point, i) => [placeOf(points[i]!), placeOf(point)]);
}

function tooltipText(name: string, { step, gini, information }: Point): string {
  const where = `Gini ${gini.toFixed(3)}, ${information.toFixed(3)} nats`;
  return `${escapeHtml(name)}, step ${step.toLocaleString('en')}<br>${where}`;
}

/** What is written at the ends of paths: of several runs the entry of the legend of each colour, at the first of it. */
function endNames(runs: Runs, looks: readonly DrawnLook[]): { readonly run: number; readonly name: string }[] {
  if (runs.length === 1) return [];
  const first = [...runs.keys()].filter((run) => looks.findIndex(({ name }) => name === looks[run]!.name) === run);
  return first.flatMap((run) => (looks[run]!.isGrey ? [] : [{ run, name: looks[run]!.name }]));
}

function legendNames(input: SpecialisationBalanceInput): string[] {
  const { runs, levels = [] } = input;
  if (runs.length === 0) throw new RangeError('specialisation against balance needs at least one run, got none');
  const { legend } = looksOf(runs, 'light');
  return namesOf([...legend.map((name) => ({ name })), ...levels]);
}
