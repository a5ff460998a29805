/** Specialisation against balance over training: a path for each run, from its first evaluation to its last. */
import type { MeasureRange } from '@lpr/metrics';
import type { EChartsOption, LineSeriesOption, ScatterSeriesOption } from 'echarts';
import { bandOf, niceRange, xAxis, yAxis } from './axes.ts';
import { legendHeight, legendOf, tooltipOf } from './legend.ts';
import { type Look, looksOf, namesOf, REFERENCE_DASHES } from './looks.ts';
import { FONT, type ThemeName, themeOf } from './palette.ts';
import { baseOption, panelTitle, type Size } from './parts.ts';
import { escapeHtml, truncate } from './text.ts';

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
const MAX_LABEL = 180;
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
  // A name stands where there is more room.
  const sideOf = (balance: number): 'left' | 'right' =>
    balance > (balances.min + balances.max) / 2 ? 'left' : 'right';
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
    grid: { left: LEFT, top: TOP, width: size.width - LEFT - RIGHT, height: PLOT_HEIGHT, outerBoundsMode: 'none' },
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
        const isFirst = looks.findIndex((look) => look.name === entry) === run;
        const path = points.map(({ step, gini, information }, i) => ({
          value: [1 - gini, information],
          symbolSize: i === points.length - 1 || i === 0 ? END : DOT,
          itemStyle: {
            color: i === 0 && points.length > 1 ? background : colour,
            borderColor: colour,
            borderWidth: 1.75,
          },
          // Where it ends, so that it need not be looked up in the legend.
          label: {
            show: i === points.length - 1 && isFirst && !isGrey && runs.length > 1,
            ...{
              formatter: truncate(entry, MAX_LABEL, 11),
              position: sideOf(1 - gini),
              color: ink,
              fontFamily: FONT,
              fontSize: 11,
            },
            ...{ textBorderColor: background, textBorderWidth: 3 },
          },
          tooltip: {
            formatter: `${escapeHtml(name)}, step ${step.toLocaleString('en')}<br>Gini ${gini.toFixed(3)}, ${information.toFixed(3)} nats`,
          },
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
            labelLayout: { hideOverlap: true },
            z: isGrey ? 2 : 3,
          },
        ];
      }),
      ...levels.map(
        ({ range: { mean, low, high } }, i): LineSeriesOption => ({
          type: 'line',
          name: names[legend.length + i]!,
          data: [up.min, up.max].map((value) => [1 - mean, value]),
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

function legendNames(input: SpecialisationBalanceInput): string[] {
  const { runs, levels = [] } = input;
  if (runs.length === 0) throw new RangeError('specialisation against balance needs at least one run, got none');
  const { legend } = looksOf(runs, 'light');
  return namesOf([...legend.map((name) => ({ name })), ...levels]);
}
