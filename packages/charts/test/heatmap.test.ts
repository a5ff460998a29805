import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { heatmapSize, type HeatmapInput, loadColour, loadHeatmap, withFootnotes } from '../src/index.ts';
import { LAYERS_BY_EXPERTS, layoutMatrices } from '../src/matrix-layout.ts';
import { themeOf } from '../src/palette.ts';
import { renderPng } from '../src/node.ts';
import { decode, isDark, isNotWhite } from './pixels.ts';
import { MEASURES } from './samples/loads.ts';

// Drawing takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

interface Grid {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Loads that take every kind of value: dead, low, even, high, far off the scale. */
function model(name: string, layers: number, experts: number, offset = 0) {
  const kinds = [0, 40, 100, 100, 160, 90, 110, 400];
  return {
    name,
    counts: Array.from({ length: layers }, (_, layer) =>
      Array.from({ length: experts }, (_, expert) => kinds[(3 * expert + 5 * layer + offset) % kinds.length]!),
    ),
  };
}

function colourBarOf(input: HeatmapInput): Record<'x' | 'y' | 'width' | 'height', number> {
  const parts = loadHeatmap(input).graphic as { shape?: never; style: { fill?: unknown } }[];
  return parts.find(({ style }) => typeof style.fill === 'object')!.shape!;
}

function gridsOf(input: HeatmapInput): Grid[] {
  return loadHeatmap(input).grid as Grid[];
}

describe('colours', () => {
  test('the ends, the middle and the quarters of the scale', () => {
    expect(loadColour(1e-9, 2)).toBe('#2166ac');
    expect(loadColour(0.5, 2)).toBe('#92c5de');
    expect(loadColour(1, 2)).toBe('#f7f7f7');
    expect(loadColour(1.5, 2)).toBe('#f4a582');
    expect(loadColour(2, 2)).toBe('#b2182b');
    expect(loadColour(1000, 2)).toBe('#b2182b');
    expect(loadColour(2, 3)).toBe('#f4a582');
    expect(loadColour(0, 2)).toBe(themeOf('light').dead);
  });

  test('the further from the uniform share, the darker, on either side', () => {
    const luminance = (colour: string) => {
      const [r, g, b] = [1, 3, 5].map((i) => Number.parseInt(colour.slice(i, i + 2), 16));
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (a, b) => {
        const [near, far] = a < b ? [a, b] : [b, a];
        for (const side of [-1, 1]) {
          // One step of rounding of each channel.
          expect(luminance(loadColour(1 + side * near * 0.99, 2))).toBeGreaterThanOrEqual(
            luminance(loadColour(1 + side * far * 0.99, 2)) - 1,
          );
        }
      }),
    );
  });
});

describe('the picture', () => {
  test.each([
    [8, 2, 1],
    [8, 2, 2],
    [32, 6, 2],
    [128, 6, 2],
    [128, 2, 4],
    [512, 6, 1],
    [512, 48, 2],
  ])(
    '%i experts x %i layers, %i models: every cell has its colour, every title its text',
    async (experts, layers, count) => {
      const models = Array.from({ length: count }, (_, i) => model(`Model ${i}`, layers, experts, i));
      const input = { models };
      const size = heatmapSize(input);
      const pixels = await decode(await renderPng(loadHeatmap(input), size));
      expect([pixels.width, pixels.height]).toEqual([2 * size.width, 2 * size.height]);
      expect(size.width).toBeLessThanOrEqual(1200);

      for (const [i, grid] of gridsOf(input).entries()) {
        const wrong: string[] = [];
        for (let layer = 0; layer < layers; layer++) {
          const loads = models[i]!.counts[layer]!;
          const share = loads.reduce((a, b) => a + b) / experts;
          for (let expert = 0; expert < experts; expert++) {
            const x = 2 * (grid.left + ((expert + 0.5) * grid.width) / experts) - 0.5;
            const y = 2 * (grid.top + ((layer + 0.5) * grid.height) / layers) - 0.5;
            const expected = loadColour(loads[expert]! / share, 2);
            if (pixels.at(x, y) !== expected) wrong.push(`${expert}, ${layer}: ${pixels.at(x, y)}, not ${expected}`);
          }
        }
        expect(wrong.slice(0, 3)).toEqual([]);
        // Title and figures above the panel, layer numbers to the left of the first.
        expect(pixels.count(2 * grid.left, 2 * (grid.top - 42), 2 * 70, 2 * 14, isDark)).toBeGreaterThan(100);
        expect(pixels.count(2 * grid.left, 2 * (grid.top - 23), 2 * 200, 2 * 12, isDark)).toBeGreaterThan(300);
        // The rows of pixels just above the title and between it and the frame stay empty.
        expect(pixels.count(2 * grid.left, 2 * grid.top - 14, 2 * grid.width, 8, isNotWhite)).toBe(0);
      }
      const first = gridsOf(input)[0]!;
      expect(pixels.count(2 * (first.left - 40), 2 * first.top, 2 * 34, 2 * first.height, isDark)).toBeGreaterThan(20);
      // Colour bar: blue on its left, red on its right; nothing runs into the margins.
      const bar = colourBarOf(input);
      const middle = 2 * bar.y + bar.height;
      expect(pixels.at(2 * bar.x + 2, middle)).toMatch(/^#[23]/);
      expect(pixels.at(2 * (bar.x + bar.width) - 2, middle)).toMatch(/^#b/);
      for (const x of [0, pixels.width - 8]) expect(pixels.count(x, 0, 8, pixels.height, isNotWhite)).toBe(0);
      for (const y of [0, pixels.height - 8]) expect(pixels.count(0, y, pixels.width, 8, isNotWhite)).toBe(0);
    },
  );

  test('few experts are set apart by thin white gaps, many are not', async () => {
    const draw = async (experts: number) => {
      const input = { models: [{ name: 'm', counts: [new Float64Array(experts).fill(1)] }] };
      const pixels = await decode(await renderPng(loadHeatmap(input), heatmapSize(input)));
      const { left, top, width, height } = gridsOf(input)[0]!;
      return pixels.count(2 * left, 2 * top + height, 2 * width, 1, (r) => r === 255);
    };
    expect(await draw(8)).toBe(8 * 2);
    expect(await draw(512)).toBe(0);
  });

  test('footnotes are drawn below the colour bar, wrapped where they are wider than the figure', async () => {
    const input = { models: [model('m', 2, 8)] };
    const bare = { option: loadHeatmap(input), size: heatmapSize(input) };
    expect(withFootnotes(bare, [], 'light')).toEqual(bare);
    const { option, size } = withFootnotes(bare, ['Expert load', 'a uniform router '.repeat(12)], 'light');
    const texts = (option.graphic as { style: { text?: string }; y?: number }[]).slice(-4);
    expect(texts[0]!.style.text).toBe('Expert load');
    expect(
      texts
        .slice(1)
        .map(({ style }) => style.text)
        .join(' '),
    ).toBe('a uniform router '.repeat(12).trim());
    const pixels = await decode(await renderPng(option, size));
    for (const { y } of texts) expect(pixels.count(0, 2 * y!, pixels.width, 2 * 11, isDark)).toBeGreaterThan(150);
    expect(pixels.count(0, 2 * size.height - 16, pixels.width, 16, isNotWhite)).toBe(0);
  });
});

describe('the option', () => {
  test('is the same for the same input, and leaves the input as it is', () => {
    const input = { models: [model('a', 3, 8), model('b', 3, 8)] };
    const copy = structuredClone(input);
    expect(JSON.stringify(loadHeatmap(input))).toBe(JSON.stringify(loadHeatmap(copy)));
    expect(input).toEqual(copy);
  });

  test('titles hold the name, and the measures: mean and worst layer, and the dead', () => {
    const counts = [
      [4, 2, 2, 0],
      [2, 2, 2, 2],
    ];
    const narrow = { models: [{ name: 'LPR', counts }], measures: MEASURES, maxWidth: 500 };
    const titles = loadHeatmap(narrow).title as Record<string, unknown>[];
    expect(titles[0]).toMatchObject({ text: 'LPR', subtext: 'Gini 0.188  ·  min-max 0.500  ·  1 of 8 dead' });
    const wide = loadHeatmap({
      models: [{ name: 'LPR', counts: counts.map((c) => [...c, ...c, ...c, ...c]) }],
      measures: MEASURES,
    });
    expect((wide.title as Record<string, unknown>[])[0]).toMatchObject({
      subtext: expect.stringMatching(
        /^Gini 0.188 \(worst .*0.375\)  ·  min-max 0.500 \(worst .*0.000\)  ·  MaxVio 0.500 \(worst .*1.000\)  ·  4 of 32 dead$/,
      ),
    });
  });

  test('a layer without any token is drawn dead', () => {
    const option = loadHeatmap({ models: [{ name: 'm', counts: [[0, 0]] }] });
    expect((option.title as Record<string, unknown>[])[0]).toMatchObject({
      subtext: 'Gini –  ·  min-max 0.000  ·  2 of 2 dead',
    });
    const [series] = option.series as { data: number[][] }[];
    expect(series!.data).toEqual([[0, 0, 0], [1, 0, 0]]); // biome-ignore format: a matrix
  });

  test('what cannot be drawn is named', () => {
    expect(() => loadHeatmap({ models: [] })).toThrow('at least one model');
    expect(() => loadHeatmap({ models: [{ name: 'm', counts: [] }] })).toThrow('model "m" has no layers');
    expect(() => loadHeatmap({ models: [{ name: 'm', counts: [[1, 2], [1]] }] })).toThrow(
      '1 experts in layer 1, but 2',
    );
    expect(() => loadHeatmap({ models: [{ name: 'm', counts: [[1, -2]] }] })).toThrow(
      'counts[0] of model "m"[1] is -2',
    );
    expect(() => loadHeatmap({ models: [model('m', 1, 2)], clip: 1 })).toThrow('clip is 1');
    expect(() => loadHeatmap({ models: [model('m', 1, 2)], columns: 0 })).toThrow('columns is 0');
  });
});

test('layouts: panels lie apart and inside, cells are crisp, labels have room', () => {
  const size = fc.record({ layers: fc.integer({ min: 1, max: 64 }), experts: fc.integer({ min: 1, max: 512 }) });
  fc.assert(
    fc.property(
      fc.array(size, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 500, max: 2000 }),
      fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
      (sizes, maxWidth, columns) => {
        const { width, legendY, panels } = layoutMatrices(
          sizes.map(({ layers, experts }) => ({ rows: layers, columns: experts })),
          { ...LAYERS_BY_EXPERTS, maxWidth, panelsPerRow: columns },
        );
        for (const [i, panel] of panels.entries()) {
          expect(panel.x).toBeGreaterThanOrEqual(20 + 46 * Number(panel.labelsRows));
          expect(panel.x + panel.width).toBeLessThanOrEqual(width - 20);
          expect(panel.y).toBeGreaterThanOrEqual(46);
          expect(panel.y + panel.height + 40 * Number(panel.labelsColumns)).toBeLessThanOrEqual(legendY);
          const cellWidth = panel.width / sizes[i]!.experts;
          const cellHeight = panel.height / sizes[i]!.layers;
          expect((2 * cellWidth) % 1).toBe(0);
          expect(cellWidth * panel.columnStep).toBeGreaterThanOrEqual(40);
          expect(cellHeight * panel.rowStep).toBeGreaterThanOrEqual(15);
          for (const other of panels.slice(i + 1)) {
            const beside = other.x >= panel.x + panel.width + 28 || panel.x >= other.x + other.width + 28;
            const below = other.y - 46 >= panel.y + panel.height;
            expect(beside || below).toBe(true);
          }
        }
      },
    ),
  );
});
