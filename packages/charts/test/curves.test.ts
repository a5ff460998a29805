import { describe, expect, test, vi } from 'vitest';
import { curvesSize, trainingCurves } from '../src/index.ts';
import { themeOf } from '../src/palette.ts';
import { renderPng } from '../src/node.ts';
import { misplaced, textBoxes } from './geometry.ts';
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
  { key: 'loss', title: 'Training loss', subtitles: ['nats'], axis: 'Loss, nats per token', free: true, smooth: true },
  { key: 'gini', title: 'Gini', subtitles: ['0 is balance'], axis: 'Gini' },
  { key: 'minMax', title: 'min-max', subtitles: ['1 is balance'], axis: 'min-max' },
  { key: 'entropy', title: 'entropy', subtitles: [], axis: 'entropy' },
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

function legendOf(option: ReturnType<typeof trainingCurves>): string[] {
  return (option.legend as { data: { name: string }[] }).data.map(({ name }) => name);
}

function seriesOf(option: ReturnType<typeof trainingCurves>, name: string, panel: number): Series[] {
  return (option.series as Series[]).filter((series) => series.name === name && series.xAxisIndex === panel);
}

test('a level that no panel has is not in the legend', () => {
  expect(legendOf(trainingCurves(input))).toEqual(['Top-k', 'LPR', 'sampling floor']);
  expect(legendOf(trainingCurves({ ...input, panels: panels.slice(0, 1) }))).toEqual(['Top-k', 'LPR']);
});

test('seeds are a band around their mean, and one entry of the legend', () => {
  const [mean, ...seeds] = [0.2, 0.1, 0.3].map((gini) => run('LPR', 300, gini));
  const option = trainingCurves({ ...input, runs: [{ ...mean!, seeds: seeds.map(({ series }) => series) }] });
  const [line, band] = seriesOf(option, 'LPR', 1) as (Series & { type: string; silent?: boolean })[];
  expect([line!.type, line!.data[0]![1]]).toEqual(['line', 0.2]);
  expect([band!.type, band!.silent, band!.data[0]]).toEqual(['custom', true, [10, 0.1, 0.3]]);
  expect(legendOf(option)).toEqual(['LPR', 'sampling floor']);
});

test('of many runs seven have a colour and a name at their end, the others are grey and one entry', () => {
  const many = Array.from({ length: 40 }, (_, i) => run(`run ${i}`, 60, i / 40));
  const option = trainingCurves({ ...input, levels: [], runs: many });
  expect(legendOf(option)).toEqual([...many.slice(0, 7).map(({ name }) => name), '33 others']);
  const { muted } = themeOf('light');
  const lines = (option.series as (Series & { color: string; endLabel?: { formatter: string; offset: number[] } })[])
    .filter(({ xAxisIndex }) => xAxisIndex === 1)
    .toSorted((a, b) => a.data[0]![1] - b.data[0]![1]);
  expect(lines.map(({ color }) => color)).toEqual([...LINES, ...Array<string>(33).fill(muted)]);
  expect(lines.map(({ endLabel }) => endLabel?.formatter ?? null)).toEqual(
    many.map(({ name }, i) => (i < 7 ? `{dot|●} ${name}` : null)),
  );
  // Chosen ones have the colours instead, wherever they stand.
  const chosen = many.map((each, i) => ({ ...each, colour: i === 20 ? 0 : i === 30 ? 1 : null }));
  expect(legendOf(trainingCurves({ ...input, levels: [], runs: chosen }))).toEqual(['run 20', 'run 30', '38 others']);
});

test('names at the ends of lines have a line of text each, within the panel and in the order of the ends', () => {
  const close = Array.from({ length: 7 }, (_, i) => run(`run ${i}`, 60, i / 1000));
  const option = trainingCurves({ ...input, levels: [], runs: close });
  const ends = (option.series as (Series & { endLabel: { offset: [number, number] } })[])
    .filter(({ xAxisIndex }) => xAxisIndex === 1)
    .map(({ data, endLabel: { offset } }) => ({ value: data.at(-1)![1], shift: offset[1] }));
  const { max } = (option.yAxis as { max: number }[])[1]!;
  const places = ends.map(({ value, shift }) => 200 * (1 - value / max) + shift);
  for (const [i, place] of places.entries()) {
    expect(place >= 0 && place <= 200.001).toBe(true);
    if (i > 0) expect(places[i - 1]! - place).toBeGreaterThan(12.9);
  }
});

test('a measure that never exceeds 1 has an axis to 1, and every axis has a name', () => {
  const bounded = panels.map((panel) => ({ ...panel, ...(panel.key === 'minMax' && { bound: 1 }) }));
  const near = [run('near', 60, 0.001)];
  const { yAxis, xAxis } = trainingCurves({ panels: bounded, runs: near });
  expect((yAxis as { max: number; name: string }[]).map(({ name, max }) => [name, max]).at(-1)).toEqual(['min-max', 1]);
  expect((yAxis as { name: string }[]).map(({ name }) => name)).toEqual(['Loss, nats per token', 'Gini', 'min-max']);
  expect((xAxis as { name: string }[]).map(({ name }) => name)).toEqual(['Step', 'Step', 'Step']);
});

test('a tooltip has whole steps, four digits, and a row for each line by its own name, the highest first', () => {
  const runs = [0.123456, 0.5].map((gini, i) => ({ ...run(`run ${i}`, 4, gini), entry: 'both' }));
  const option = trainingCurves({ panels, runs });
  const text = (option.tooltip as { formatter: (params: unknown) => string }).formatter(
    (option.series as (Series & { id: string })[])
      .filter(({ xAxisIndex }) => xAxisIndex === 1)
      .map(({ id, data }) => ({ seriesId: id, value: [10.5, data[0]![1]] })),
  );
  expect(text).toBe('Step 11<br>run 1: 0.5<br>run 0: 0.1235');
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

test('another axis than of steps stands where one is named', () => {
  const axes = (option: ReturnType<typeof trainingCurves>): unknown => (option.xAxis as object[])[0];
  expect(axes(trainingCurves(input))).toMatchObject({ name: 'Step', type: 'value' });
  const across = { name: 'Ranks', type: 'log' as const };
  expect(axes(trainingCurves({ ...input, across, firstStep: 1 }))).toMatchObject(across);
});

test.each([1e308, -1e308, 200_000_000, -0.00005, 3e-9])(
  'numbers as wide as %d push no name out of its place',
  (loss) => {
    const points = [
      [1, 0],
      [2, loss],
    ] as const;
    const wide = { panels: panels.slice(0, 2), runs: [{ name: 'a', series: { loss: points, gini: points } }] };
    const [size, boxes] = [curvesSize(wide), textBoxes(trainingCurves(wide), curvesSize(wide))];
    expect(misplaced(boxes, size)).toEqual([]);
    const { x } = boxes.find(({ text }) => text === 'Loss, nats per token')!;
    expect(x).toBeGreaterThan(5);
    expect(boxes.some(({ text }) => Number(text) === loss)).toBe(true);
  },
);
