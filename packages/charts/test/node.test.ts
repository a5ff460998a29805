import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { heatmapSize, loadHeatmap } from '../src/index.ts';
import { renderPng, renderSvg } from '../src/node.ts';
import { decode, isDark } from './pixels.ts';

// Drawing takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

function text(content: string) {
  return {
    graphic: [{ type: 'text' as const, left: 20, top: 20, style: { text: content, font: '40px Inter', fill: '#000' } }],
  };
}

describe('renderPng', () => {
  test('has the size asked for, at any pixel ratio', async () => {
    for (const pixelRatio of [1, 2, 3]) {
      const pixels = await decode(await renderPng(text('A'), { width: 101, height: 51, pixelRatio }));
      expect([pixels.width, pixels.height]).toEqual([101 * pixelRatio, 51 * pixelRatio]);
    }
  });

  test('the same option gives the same bytes', async () => {
    const size = { width: 100, height: 80 };
    expect(await renderPng(text('A'), size)).toEqual(await renderPng(text('A'), size));
  });

  test('the bundled font has greek letters and mathematical signs', async () => {
    const size = { width: 90, height: 90, pixelRatio: 1 };
    const glyph = async (character: string) => Buffer.from(await renderPng(text(character), size)).toString('base64');
    const missing = await glyph('\uE123');
    // Greek, mathematics, arrows, powers of ten, and what stands for spaces, tabs, ends of lines and empty tokens.
    const signs = Array.from('αβγδλμσΣ≥≤×÷·−√∞→←↑↓⁰¹²³⁴⁵⁶⁷⁸⁹⁻…–␣⇥↵∅');
    const drawn = await Promise.all(signs.map(glyph));
    expect(signs.filter((_, i) => drawn[i] === missing)).toEqual([]);
    expect(new Set(drawn).size).toBe(signs.length);
    const pixels = await decode(await renderPng(text('Σ'), size));
    expect(pixels.count(0, 0, 90, 90, isDark)).toBeGreaterThan(150);
  });

  test('a size that is none is refused', async () => {
    await expect(renderPng({}, { width: 0, height: 10 })).rejects.toThrow('width is 0');
    await expect(renderPng({}, { width: 10, height: 10, pixelRatio: Number.NaN })).rejects.toThrow('pixelRatio is NaN');
  });
});

test('all but the node entry can run in a page', () => {
  const folder = join(import.meta.dirname, '../src');
  const imports = readdirSync(folder)
    .filter((file) => file !== 'node.ts')
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').match(/^(import|export) .* from '.*'/gm) ?? []);
  expect(imports.length).toBeGreaterThan(5);
  const values = imports.filter((line) => !line.startsWith('import type'));
  expect(values.filter((line) => !/from '(\.\/(?!node)|@lpr\/metrics)/.test(line))).toEqual([]);
});

test('an SVG has the text of the figure as text, and no script', () => {
  const input = { models: [{ name: 'Top-k <b>', counts: [[1, 2, 3, 4]] }] };
  const svg = renderSvg(loadHeatmap(input), heatmapSize(input));
  expect(svg).toMatch(/^<svg /);
  expect(svg).toContain('Top-k &lt;b&gt;');
  expect(svg).not.toContain('<script');
  expect(() => renderSvg({}, { width: 0, height: 1 })).toThrow('width is 0');
});
