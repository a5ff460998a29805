/** How much experts keep to tokens of their own, layer by layer. */
import type { BoxplotSeriesOption, EChartsOption, LineSeriesOption } from 'echarts';
import { namesOf, REFERENCE_DASHES } from './curves.ts';
import { DASH_ICONS, legendHeight, legendOf, tooltipOf, yAxis } from './lines.ts';
import { FONT, lineColour, type ThemeName, themeOf } from './palette.ts';
import { baseOption, panelTitle, type Size } from './parts.ts';

export interface VocabularyInput {
  /** One colour each; names must differ. */
  readonly runs: readonly {
    readonly name: string;
    /**
     * `[layers][experts]`: the mean, over the token ids that an expert got, of the share of the id's occurrences that
     * went to it, from 0 to 1; NaN for an expert without tokens.
     */
    readonly layers: readonly ArrayLike<number>[];
  }[];
  /** Specialisation of uniform routing, k / M. */
  readonly uniform?: number;
  /** CSS pixels. Default 760. */
  readonly width?: number;
}

const LEFT = 58;
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
  const names = namesOf(runs);
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
    yAxis: [yAxis({ min: 0 }, 0, theme)],
    series: [
      ...runs.map((run, i): BoxplotSeriesOption => {
        const colour = lineColour(i, themeOf(theme));
        return {
          type: 'boxplot',
          name: names[i]!,
          color: colour,
          itemStyle: { color: background, borderColor: colour, borderWidth: 1.25 },
          boxWidth: [2, 22],
          data: run.layers.map(fiveNumbers),
        };
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

function legendNames({ runs, uniform }: VocabularyInput): string[] {
  if (runs.length === 0) throw new RangeError('vocabulary specialisation needs at least one run, got none');
  return [...namesOf(runs), ...(uniform === undefined ? [] : [UNIFORM])];
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
