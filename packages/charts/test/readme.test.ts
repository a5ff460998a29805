import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import * as charts from '../src/index.ts';
import * as node from '../src/node.ts';
import { decode } from './pixels.ts';

// Drawing takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

test('the snippet of the README draws a heatmap', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
  const body = /```ts\n([\s\S]*?)```/.exec(readme)![1]!.replaceAll(/^import .*$/gm, '');
  const files = new Map<string, Uint8Array>();
  // oxlint-disable-next-line typescript/no-implied-eval -- the snippet is the text under test
  const snippet = new Function(
    'heatmapSize',
    'loadHeatmap',
    'renderPng',
    'writeFile',
    `return (async () => {${body}})()`,
  );
  await snippet(charts.heatmapSize, charts.loadHeatmap, node.renderPng, async (name: string, bytes: Uint8Array) => {
    files.set(name, bytes);
  });
  const pixels = await decode(files.get('heatmap.png')!);
  expect(pixels.width).toBeGreaterThan(900);
});
