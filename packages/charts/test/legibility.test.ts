import { beforeAll, describe, expect, test, vi } from 'vitest';
import { renderPng } from '../src/node.ts';
import { textWidth } from '../src/text.ts';
import { misplaced, textBoxes } from './geometry.ts';
import { samples } from './samples.ts';

// Drawing takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

// Registers the font.
beforeAll(() => renderPng({}, { width: 1, height: 1 }));

const EXTENTS = [
  { layers: 1, experts: 8 },
  { layers: 2, experts: 8 },
  { layers: 6, experts: 128 },
  { layers: 48, experts: 512 },
];

describe.each(EXTENTS)('$layers layers x $experts experts', (extent) => {
  test.each(samples(extent).map((sample) => [sample.name, sample] as const))(
    '%s: no text is cut, leaves the picture or lies on another',
    (_, { option, size }) => {
      const boxes = textBoxes(option(), size);
      expect(boxes.length).toBeGreaterThan(5);
      expect(misplaced(boxes, size)).toEqual([]);
      expect(boxes.filter(({ text }) => text.includes('…'))).toEqual([]);
    },
  );
});

describe('names of any length and content', () => {
  const name = `${'A name that goes on '.repeat(12)}\nand\ton <b>&"' \u202e`;
  test.each(samples({ layers: 6, experts: 32, name }).map((sample) => [sample.name, sample] as const))(
    '%s: stay in their place',
    (_, { option, size }) => {
      const boxes = textBoxes(option(), size);
      expect(misplaced(boxes, size)).toEqual([]);
      expect(boxes.filter(({ text }) => /[\n\t\u202e]/.test(text))).toEqual([]);
    },
  );
});

test('a text that does leave its place is found', () => {
  const size = { width: 200, height: 60 };
  const text = (content: string, x: number) => ({
    type: 'text' as const,
    x,
    y: 20,
    style: { text: content, font: '12px Inter', fill: '#000' },
  });
  const found = (...graphic: object[]) => misplaced(textBoxes({ graphic }, size), size);
  expect(found(text('left', 10), text('right', 100))).toEqual([]);
  expect(found(text('left', 10), text('right', 20))).toEqual(['"left" lies on "right"']);
  expect(found(text('cut', 190))).toEqual(['"cut" leaves the picture']);
});

test('widths of text are known without drawing it', () => {
  for (const text of ['Gini 0.188 (worst layer 0.375)  ·  min-max', 'Qwen3-MoE-LPR', 'WWW iii lll']) {
    const boxes = textBoxes(
      { graphic: [{ type: 'text', style: { text, font: '20px Inter', fill: '#000' } }] },
      { width: 900, height: 40 },
    );
    expect(Math.abs(textWidth(text, 20) / boxes[0]!.width - 1)).toBeLessThan(0.04);
  }
});
