/**
 * Every figure beside a picture of it that somebody looked at. After a change that is meant, draw the pictures anew
 * with `UPDATE_GOLDEN=1 pnpm --filter @lpr/charts test golden`, and look at them.
 */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCanvas, type ImageData, loadImage } from '@napi-rs/canvas';
import pixelmatch from 'pixelmatch';
import { describe, expect, test, vi } from 'vitest';
import type { ThemeName } from '../src/index.ts';
import { renderPng } from '../src/node.ts';
import { samples } from './samples.ts';
import type { Sample } from './samples/sample.ts';

// Drawing takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const FOLDER = join(import.meta.dirname, 'golden');
/**
 * Pixels that may differ within any square of the given side: processors draw the edges of letters a little
 * differently, which pixelmatch mostly recognises; a letter that is another one, or a label that moved, is more.
 */
const WINDOW = 16;
const TOLERANCE = 8;

async function pixelsOf(png: Uint8Array): Promise<ImageData> {
  const image = await loadImage(png);
  const context = createCanvas(image.width, image.height).getContext('2d');
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}

/** Most pixels that differ within a square; infinite for pictures of different sizes. */
function difference(a: ImageData, b: ImageData): number {
  if (a.width !== b.width || a.height !== b.height) return Infinity;
  return pixelmatch(a.data, b.data, null, a.width, a.height, { threshold: 0.08, windowSize: WINDOW });
}

async function draw({ option, size }: Sample, theme: ThemeName): Promise<Uint8Array> {
  return await renderPng(option(theme), { ...size, pixelRatio: 1 });
}

const SAMPLES = samples({ layers: 3, experts: 16 });
const CASES = SAMPLES.flatMap((sample) => [
  { name: sample.name, sample, theme: 'light' as const },
  // The rest of the dark page is the same code.
  ...(['heatmap', 'curves', 'step-time'].includes(sample.name)
    ? [{ name: `${sample.name}-dark`, sample, theme: 'dark' as const }]
    : []),
]);

test.each(CASES)('$name looks as it did', async ({ name, sample, theme }) => {
  const path = join(FOLDER, `${name}.png`);
  const drawn = await draw(sample, theme);
  if (process.env['UPDATE_GOLDEN'] !== undefined) {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(path, drawn);
  }
  const found = difference(await pixelsOf(readFileSync(path)), await pixelsOf(drawn));
  if (found <= TOLERANCE) return;
  const now = join(mkdtempSync(join(tmpdir(), 'golden-')), `${name}.png`);
  writeFileSync(now, drawn);
  expect.fail(`${found} of ${WINDOW} x ${WINDOW} pixels differ: compare ${path} with ${now}`);
});

describe('the comparison', () => {
  const sample = SAMPLES.find(({ name }) => name === 'curves')!;
  const drawn = draw(sample, 'light').then(pixelsOf);
  const changed = async (change: (option: Record<string, Record<string, unknown>[]>) => void) => {
    const option = sample.option() as unknown as Record<string, Record<string, unknown>[]>;
    change(option);
    return await renderPng(option, { ...sample.size, pixelRatio: 1 }).then(pixelsOf);
  };

  test('fails for a label that moved, another digit and another colour', async () => {
    const original = await drawn;
    const moved = await changed(({ title }) => (title![1]!['left'] = Number(title![1]!['left']) + 2));
    expect(difference(original, moved)).toBeGreaterThan(TOLERANCE);
    const digit = await changed(
      ({ xAxis }) => (xAxis![0]!['axisLabel'] = { formatter: (value: number) => `${value + 1}` }),
    );
    expect(difference(original, digit)).toBeGreaterThan(TOLERANCE);
    const colour = await changed(({ series }) => (series![0]!['lineStyle'] = { color: '#009e73', width: 1.75 }));
    expect(difference(original, colour)).toBeGreaterThan(TOLERANCE);
  });

  test('passes for pixels that another processor rounds differently', async () => {
    const original = await drawn;
    const noisy = await changed(() => {});
    noisy.data.forEach((value, i) => (noisy.data[i] = i % 4 === 3 ? value : value + ((i * 7919) % 9) - 4));
    expect(difference(original, noisy)).toBeLessThanOrEqual(TOLERANCE);
  });
});
