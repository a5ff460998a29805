/** How much experts keep to tokens of their own, layer by layer. */
import type { BoxplotSeriesOption, EChartsOption, LineSeriesOption } from 'echarts';
import { yAxis } from './axes.ts';
import { DASH_ICONS, legendHeight, legendOf, tooltipOf } from './legend.ts';
import { type Look, looksOf, REFERENCE_DASHES } from './looks.ts';
import { FONT, type ThemeName, themeOf } from './palette.ts';
import { baseOption, panelTitle, type Size } from './parts.ts';

export interface VocabularyInput {
  /** A box each for those that are told apart by a colour; names must differ. */
  readonly runs: readonly (Look & {
    readonly name: string;
    /**
     * `[layers][experts]`: the mean, over the token ids that an expert got, of the share of the id's occurrences that
     * went to it, from 0 to 1; NaN for an expert without tokens.
     */
    readonly layers: readonly ArrayLike<number>[];
  })[];
  /** Specialisation of uniform routing, k / M. */
  readonly uniform?: number;
  /** CSS pixels. Default 760. */
  readonly width?: number;
}

const LEFT = 68;
const RIGHT = 24;
const TOP = 58;
const PLOT_HEIGHT = 260;
const AXIS_ROOM = 46;
const UNIFORM = 'uniform routing';

export function vocabularySize(input: VocabularyInput): Size {
  const width = input.width ?? 760;
  return { width, height: TOP + PLOT_HEIGHT + AXIS_ROOM + legendHeight(legendNames(input), width) };
}

/**
 * ECharts option of vocabulary specialisation (Muennighoff et al. 2024, OLMoE, arXiv 2409.02060): per layer and run a
 * box from the first to the third quartile of the experts, with the median, and lines to the least and the most
 * specialised expert.
 *
 * @throws RangeError for no run or no layer, or where two runs have one name.
 */
export function vocabularySpecialisation(input: VocabularyInput, theme: ThemeName = 'light'): EChartsOption {
  const { runs, uniform } = input;
  const size = vocabularySize(input);
  const { looks } = looksOf(runs, theme);
  const layers = runs.reduce((most, run) => Math.max(most, run.layers.length), 0);
  if (layers === 0) throw new RangeError('vocabulary specialisation needs at least one layer, got none');
  const { ink, inkSoft, axis, background } = themeOf(theme);
  const plotWidth = size.width - LEFT - RIGHT;
  const labelEvery = Math.ceil((24 * layers) / plotWidth);
  return {
    ...baseOption(theme),
    tooltip: tooltipOf('item', theme),
    legend: legendOf(legendNames(input), size, theme, (name) => (name === UNIFORM ? DASH_ICONS[0] : 'rect')),
    title: [
      panelTitle(
        'Vocabulary specialisation',
        ["share of a token id's occurrences that go to one expert; box: quartiles of the experts"],
        { x: LEFT, y: 12, width: plotWidth },
        theme,
      ),
    ],
    grid: { left: LEFT, top: TOP, width: plotWidth, height: PLOT_HEIGHT, outerBoundsMode: 'none' },
    xAxis: [
      {
        type: 'category',
        data: Array.from({ length: layers }, (_, layer) => String(layer)),
        name: 'Layer',
        nameLocation: 'middle',
        nameGap: 26,
        nameTextStyle: { fontFamily: FONT, fontSize: 12, color: ink },
        axisLine: { lineStyle: { color: axis } },
        axisTick: { show: false },
        splitLine: { show: false },
        axisLabel: { fontFamily: FONT, fontSize: 11, color: inkSoft, interval: labelEvery - 1 },
      },
      // For the level, which goes from edge to edge.
      { type: 'value', min: 0, max: 1, show: false },
    ],
    yAxis: [yAxis({ name: 'Share of occurrences', min: 0, max: 1, interval: 0.2 }, 0, theme)],
    series: [
      ...runs.flatMap((run, i): BoxplotSeriesOption[] => {
        const { name, colour, isGrey } = looks[i]!;
        // Boxes of one colour have no room for each other.
        if (isGrey) return [];
        const box: BoxplotSeriesOption = {
          type: 'boxplot',
          name,
          color: colour,
          itemStyle: { color: background, borderColor: colour, borderWidth: 1.25 },
          boxWidth: [2, 22],
          data: run.layers.map(fiveNumbers),
        };
        return [box];
      }),
      ...(uniform === undefined
        ? []
        : [
            {
              type: 'line',
              name: UNIFORM,
              xAxisIndex: 1,
              data: [0, 1].map((edge) => [edge, uniform]),
              symbol: 'none',
              color: inkSoft,
              lineStyle: { color: inkSoft, width: 1.25, type: [...REFERENCE_DASHES[0]] },
              silent: true,
            } satisfies LineSeriesOption,
          ]),
    ],
  };
}

/** Of the runs that have a colour, in the legend. */
function drawnEntries(runs: VocabularyInput['runs']): string[] {
  const { looks, legend } = looksOf(runs, 'light');
  return legend.filter((entry) => looks.some(({ name, isGrey }) => name === entry && !isGrey));
}

function legendNames({ runs, uniform }: VocabularyInput): string[] {
  if (runs.length === 0) throw new RangeError('vocabulary specialisation needs at least one run, got none');
  return [...drawnEntries(runs), ...(uniform === undefined ? [] : [UNIFORM])];
}

/** Least, first quartile, median, third quartile and most of the numbers among the values. */
function fiveNumbers(values: ArrayLike<number>): number[] {
  const ascending = Array.from(values)
    .filter((value) => !Number.isNaN(value))
    .toSorted((a, b) => a - b);
  return [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = share * (ascending.length - 1);
    const below = ascending[Math.floor(at)] ?? Number.NaN;
    return below + (at - Math.floor(at)) * ((ascending[Math.ceil(at)] ?? below) - below);
  });
}
