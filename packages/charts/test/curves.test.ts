import { describe, expect, test, vi } from 'vitest';
import { curvesSize, trainingCurves } from '../src/index.ts';
import { themeOf } from '../src/palette.ts';
import { renderPng } from '../src/node.ts';
import { decode, isDark } from './pixels.ts';

// Drawing takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

function run(name: string, length: number, gini: number) {
  const points = (every: number, value: (i: number) => number) =>
    Array.from({ length: Math.ceil(length / every) }, (_, i) => [10 * (every * i + 1), value(every * i)] as const);
  return {
    name,
    series: {
      loss: points(1, (i) => 2 + Math.exp(-i / length) + 0.2 * (i % 2) + gini),
      gini: points(2, () => gini),
      minMax: points(2, () => 1 - gini),
    },
  };
}

const panels = [
  { key: 'loss', title: 'Training loss', subtitles: ['nats'], free: true, smooth: true },
  { key: 'gini', title: 'Gini', subtitles: ['0 is balance'] },
  { key: 'minMax', title: 'min-max', subtitles: ['1 is balance'] },
  { key: 'entropy', title: 'entropy', subtitles: [] },
];

const LINES = themeOf('light').lines;

const input = {
  panels,
  runs: [run('Top-k', 60, 0.6), run('LPR', 60, 0.1)],
  levels: [
    {
      name: 'sampling floor',
      ranges: { gini: { mean: 0.02, low: 0.01, high: 0.03 }, minMax: { mean: 0.95, low: 0.95, high: 0.95 } },
    },
  ],
};

interface Series {
  name: string;
  xAxisIndex: number;
  data: [number, number][];
}

function seriesOf(option: ReturnType<typeof trainingCurves>, name: string, panel: number): Series[] {
  return (option.series as Series[]).filter((series) => series.name === name && series.xAxisIndex === panel);
}

test('seeds are pale behind their mean, and one entry of the legend', () => {
  const [mean, ...seeds] = [0.2, 0.1, 0.3].map((gini) => run('LPR', 300, gini));
  const option = trainingCurves({ ...input, runs: [{ ...mean!, seeds: seeds.map(({ series }) => series) }] });
  for (const panel of [0, 1]) {
    const drawn = seriesOf(option, 'LPR', panel) as (Series & { z: number; lineStyle: { opacity?: number } })[];
    expect(drawn.map(({ z, lineStyle }) => [z, lineStyle.opacity])).toEqual([
      [2, undefined],
      [1, 0.25],
      [1, 0.25],
    ]);
    if (panel === 1) expect(drawn.map(({ data }) => data[0]![1])).toEqual([0.2, 0.1, 0.3]);
  }
  expect((option.legend as { data: { name: string }[] }).data.map(({ name }) => name)).toEqual([
    'LPR',
    'sampling floor',
  ]);
});

test('each panel holds what was recorded, with the levels that it has, and there is none of what was not', () => {
  const option = trainingCurves(input);
  expect((option.title as { text: string }[]).map(({ text }) => text)).toEqual(['Training loss', 'Gini', 'min-max']);
  expect(seriesOf(option, 'LPR', 0)[0]!.data).toHaveLength(60);
  expect(seriesOf(option, 'LPR', 1)[0]!.data).toEqual(Array.from({ length: 30 }, (_, i) => [20 * i + 10, 0.1]));
  expect(seriesOf(option, 'LPR', 2)[0]!.data[0]).toEqual([10, 0.9]);
  expect(seriesOf(option, 'sampling floor', 0)).toEqual([]);
  expect(seriesOf(option, 'sampling floor', 1)[0]!.data).toEqual([[0, 0.02], [600, 0.02]]); // biome-ignore format: pairs
  expect(seriesOf(option, 'sampling floor', 2)[0]!.data[1]).toEqual([600, 0.95]);
  const bands = option.series as { name: string; markArea?: { data: unknown } }[];
  // A level that chance does not move has no band.
  expect(bands.flatMap(({ markArea }) => markArea?.data ?? [])).toEqual([[{ yAxis: 0.01 }, { yAxis: 0.03 }]]);
});

test('a long noisy loss is smoothed on top of the raw one, which is kept', () => {
  const [smooth, raw] = seriesOf(trainingCurves({ panels, runs: [run('m', 1000, 0)] }), 'm', 0);
  expect(raw!.data).toHaveLength(1000);
  const roughness = (data: [number, number][]) =>
    data.slice(1).reduce((sum, [, value], i) => sum + Math.abs(value - data[i]![1]), 0);
  expect(roughness(smooth!.data)).toBeLessThan(roughness(raw!.data) / 5);
  // Away from the ends the average of an even stretch is that of its values: 11 points, 5 or 6 of them raised by 0.2.
  const middle = 2 + Math.exp(-0.5);
  expect(Math.abs(smooth!.data[500]![1] - (middle + 0.1))).toBeLessThan(0.02);
});

describe('the picture', () => {
  test('lines, reference, titles and legend are drawn', async () => {
    const size = curvesSize(input);
    const pixels = await decode(await renderPng(trainingCurves(input), size));
    expect([pixels.width, pixels.height]).toEqual([2 * size.width, 2 * size.height]);
    for (const [panel, colour] of [
      [0, LINES[0]!],
      [1, LINES[1]!],
      [2, LINES[0]!],
    ] as const) {
      // biome-ignore format: pairs
      const [r, g, b] = [1, 3, 5].map((i) => Number.parseInt(colour.slice(i, i + 2), 16));
      const drawn = pixels.count(panel * 800 + 120, 120, 640, 380, (...rgb) => rgb.join() === [r, g, b].join());
      expect(drawn).toBeGreaterThan(600);
    }
    for (const panel of [0, 1, 2]) {
      expect(pixels.count(panel * 780 + 110, 20, 300, 40, isDark)).toBeGreaterThan(100);
    }
    expect(pixels.count(600, 600, 1200, 60, isDark)).toBeGreaterThan(500);
    // Dots and gaps of the reference line near the top of the last panel.
    const dots = pixels.count(1700, 120, 640, 100, (r, g, b) => r < 130 && g < 140 && b < 150);
    expect(dots).toBeGreaterThan(100);
  });

  test('a run with one point shows it', async () => {
    const one = { panels, runs: [{ name: 'm', series: { loss: [[5, 3] as const] } }] };
    const pixels = await decode(await renderPng(trainingCurves(one), curvesSize(one)));
    expect(pixels.count(120, 100, 2280, 420, (r, g, b) => b > 150 && r < 60 && g < 140)).toBeGreaterThan(10);
  });
});

test('is pure, and names what it cannot draw', () => {
  expect(JSON.stringify(trainingCurves(input))).toBe(JSON.stringify(trainingCurves(structuredClone(input))));
  expect(() => trainingCurves({ panels, runs: [] })).toThrow('at least one run');
  expect(() => trainingCurves({ panels: [], runs: input.runs })).toThrow('at least one point');
  expect(() => trainingCurves({ panels, runs: [run('a', 3, 0), run('a', 3, 0)] })).toThrow('two lines are named "a"');
});

test('the steps begin where they are told to, and panels that have no room side by side stand below each other', () => {
  const { xAxis, series } = trainingCurves({ ...input, firstStep: 300, width: 320 });
  expect((xAxis as { min: number; max: number }[]).map(({ min, max }) => [min, max])).toEqual(
    Array(3).fill([300, 600]),
  );
  const level = (series as Series[]).find(({ name }) => name === 'sampling floor')!;
  expect(level.data.map(([step]) => step)).toEqual([300, 600]);
  const { grid } = trainingCurves({ ...input, width: 320 });
  expect(new Set((grid as { left: number }[]).map(({ left }) => left)).size).toBe(1);
  expect(curvesSize({ ...input, width: 320 }).height).toBeGreaterThan(2 * curvesSize(input).height);
});
