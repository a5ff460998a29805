/** Where the time of a training step goes, by part of the model. */
import type { BarSeriesOption, EChartsOption } from 'echarts';
import { niceRange, xAxis } from './axes.ts';
import { legendHeight, legendOf, tooltipOf } from './legend.ts';
import { FONT, inkOn, lineColour, type ThemeName, themeOf } from './palette.ts';
import { baseOption, panelTitle, type Size } from './parts.ts';
import { shortNames, textWidth } from './text.ts';

export interface StepTimeInput {
  /** One bar each. */
  readonly runs: readonly {
    readonly name: string;
    /** Milliseconds a step, by part of the model; `idle` is the time in which none worked. */
    readonly phases: Readonly<Record<string, number>>;
  }[];
  /** CSS pixels. Default 900. */
  readonly width?: number;
}

/**
 * Parts in the order in which they have their colours; further ones follow by name, `other` and `idle` are grey and
 * last.
 */
const KNOWN = ['attention', 'experts', 'router', 'head', 'optimizer', 'norm', 'embedding'];
const LAST = ['other', 'idle'];

const TOP = 58;
const BAR = 34;
const AXIS_ROOM = 46;
const RIGHT = 40;
const MAX_NAME = 260;

export function stepTimeSize(input: StepTimeInput): Size {
  const width = input.width ?? 900;
  return {
    width,
    height: TOP + BAR * input.runs.length + 8 + AXIS_ROOM + legendHeight(partsOf(input), width),
  };
}

/**
 * ECharts option of one stacked bar per run: milliseconds a step by part of the model, with its share where there is
 * room.
 *
 * @throws RangeError for no run, or a time that is no finite number >= 0.
 */
export function stepTime(input: StepTimeInput, theme: ThemeName = 'light'): EChartsOption {
  const { runs } = input;
  const parts = partsOf(input);
  const totals = runs.map(({ name, phases }) =>
    Object.entries(phases).reduce((sum, [part, time]) => {
      if (!(time >= 0 && time < Infinity)) {
        throw new RangeError(`part "${part}" of "${name}" takes ${time} ms; it must be a finite number >= 0`);
      }
      return sum + time;
    }, 0),
  );
  const names = shortNames(
    runs.map(({ name }) => name),
    MAX_NAME,
    12,
  );
  const size = stepTimeSize(input);
  const left = Math.ceil(names.reduce((width, name) => Math.max(width, textWidth(name, 12)), 0)) + 32;
  const plotWidth = size.width - left - RIGHT;
  const range = niceRange([0, ...totals], true);
  const longest = range.max;
  const { ink, background } = themeOf(theme);
  return {
    ...baseOption(theme),
    tooltip: { ...tooltipOf('item', theme), valueFormatter: (value) => `${Number(value).toPrecision(3)} ms` },
    legend: legendOf(parts, size, theme, () => 'rect'),
    title: [
      panelTitle('Time of a training step', ['by part of the model'], { x: left, y: 12, width: plotWidth }, theme),
    ],
    grid: { left, top: TOP, width: plotWidth, height: BAR * runs.length + 8, outerBoundsMode: 'none' },
    xAxis: [xAxis({ name: 'Milliseconds', ...range }, 0, theme)],
    yAxis: [
      {
        type: 'category',
        inverse: true,
        data: names,
        axisLine: { show: false },
        axisTick: { show: false },
        axisLabel: { fontFamily: FONT, fontSize: 12, color: ink, margin: 10, interval: 0 },
      },
    ],
    series: parts.map((part): BarSeriesOption => {
      const colour = colourOf(part, parts, theme);
      return {
        type: 'bar',
        name: part,
        stack: 'step',
        barWidth: 22,
        color: colour,
        itemStyle: { borderColor: background, borderWidth: 0.5 },
        data: runs.map(({ phases }, run) => {
          const time = phases[part] ?? 0;
          const share = totals[run]! > 0 ? time / totals[run]! : 0;
          const text = `${Math.round(100 * share)}%`;
          return {
            value: time,
            label: {
              show: (time / longest) * plotWidth > textWidth(text, 11) + 8,
              formatter: text,
              color: inkOn(colour),
              fontFamily: FONT,
              fontSize: 11,
            },
          };
        }),
      };
    }),
  };
}

function partsOf({ runs }: StepTimeInput): string[] {
  if (runs.length === 0) throw new RangeError('step time needs at least one run, got none');
  const there = new Set(runs.flatMap(({ phases }) => Object.keys(phases)));
  const further = Array.from(there)
    .filter((part) => !KNOWN.includes(part) && !LAST.includes(part))
    .toSorted();
  return [...KNOWN, ...further, ...LAST].filter((part) => there.has(part));
}

function colourOf(part: string, parts: readonly string[], theme: ThemeName): string {
  const { inkSoft, muted } = themeOf(theme);
  if (part === 'idle') return muted;
  if (part === 'other') return inkSoft;
  const known = KNOWN.indexOf(part);
  return lineColour(known >= 0 ? known : KNOWN.length + parts.indexOf(part), themeOf(theme));
}
