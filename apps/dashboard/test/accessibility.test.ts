/** Every page by the rules of axe (WCAG 2, and its best practices): light and dark, on a desktop and on a phone. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { lockFolder, readRuns, writeNote } from '@lpr/runs';
import type { Page } from 'playwright-core';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { renderRuns } from '../src/index.ts';
import { violations } from './axe.ts';
import { noBrowser } from './browser.ts';
import { evaluationLine, traceFile, writeRun } from './folders.ts';
import { writeModel } from './models.ts';
import { servedPages } from './served-pages.ts';

// Pages are drawn whole; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const ROUTERS = ['lpr', 'top-k', 'switch', 'gshard', 'hash', 'base', 'xmoe', 'remoe', 'sinkhorn', 'noisyTopK'];
const COMPARED = ROUTERS.map((router) => `run=${encodeURIComponent(`compare-1/${router}`)}`).join('&');
const openAll = async (page: Page): Promise<void> => {
  for (const summary of await page.locator('summary').all()) await summary.click();
};

interface TestedPage {
  readonly name: string;
  readonly path: string;
  readonly prepare?: (page: Page) => Promise<void>;
}

const PAGES: readonly TestedPage[] = [
  { name: 'the overview', path: '/' },
  { name: 'the overview as a table', path: '/?as=table&order=router' },
  { name: 'a run', path: '/run?run=good', prepare: openAll },
  {
    name: 'a note that is being written',
    path: '/run?run=good',
    prepare: (page) => page.getByRole('button', { name: 'Change' }).click(),
  },
  { name: 'a comparison', path: `/compare?${COMPARED}`, prepare: openAll },
  {
    name: 'the explorer',
    path: '/explore?run=good',
    async prepare(page) {
      await page.getByLabel('Text').fill('Even loads.');
      await page.keyboard.press('Control+Enter');
      await page.locator('.token').first().click();
      await page.getByRole('heading', { name: /^Expert \d+ of layer 0$/ }).waitFor();
    },
  },
  {
    name: 'two models in the explorer',
    path: '/explore?run=good&run=compare-1%2Flpr&text=Even+loads.&layer=1&token=2&expert=3&expert=5',
    prepare: (page) => page.getByRole('heading', { name: 'Expert 5 of layer 1' }).waitFor(),
  },
];

describe.skipIf(noBrowser !== null)('by the rules of axe', () => {
  let unlock: () => Promise<void>;

  const pages = servedPages(async (root) => {
    for (const name of ['good', 'stopped', ...ROUTERS.map((router) => `compare-1/${router}`)]) {
      await writeRun(join(root, name));
      if (name === 'stopped') continue;
      await writeFile(join(root, name, 'evaluations.jsonl'), evaluationLine());
      const router = name.slice(name.indexOf('/') + 1);
      if (name !== 'good')
        await writeFile(join(root, name, 'config.yaml'), `architecture: mixtral\nrouter: ${router}\n`);
    }
    await writeFile(join(root, 'stopped', 'metrics.jsonl'), '{"step":\n');
    // One that is being trained.
    await writeRun(join(root, 'running'));
    unlock = await lockFolder(join(root, 'running'));
    await writeNote(join(root, 'good'), { text: 'A line.\n'.repeat(40), tags: ['first', 'x'.repeat(60)] });
    await mkdir(join(root, 'good', 'traces'));
    await writeFile(join(root, 'good', 'traces', 'step-000040.trace'), traceFile(2));
    await writeModel(join(root, 'good'), { step: 40, seed: 1 });
    await writeModel(join(root, 'compare-1/lpr'), { step: 40, seed: 2, lpr: true });
  });
  afterAll(() => unlock());

  it('are kept by a page that could break them, and broken where it does', async () => {
    const page = await pages.open('/');
    await page.locator('.is-running').first().waitFor();
    await page.evaluate(`
      document.querySelector('h1').style.color = '#dddddd';
      document.querySelector('main').append(document.createElement('button'));
    `);
    const rules = (await violations(page)).map((text) => text.split(':')[0]);
    expect(rules.toSorted()).toEqual(['button-name', 'color-contrast']);
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [device, viewport] of [
      ['a desktop', { width: 1280, height: 900 }],
      ['a phone', { width: 390, height: 800 }],
    ] as const) {
      it.each(PAGES)(`$name breaks none, in ${colorScheme} on ${device}`, async ({ path, prepare }) => {
        const page = await pages.open(path, { colorScheme, viewport });
        await expect.poll(() => page.locator('.waiting').count(), { timeout: 30_000 }).toBe(0);
        await prepare?.(page);
        for (const figure of await page.locator('figure').all()) await figure.scrollIntoViewIfNeeded();
        expect(await violations(page)).toEqual([]);
      });
    }

    it(`a report breaks none, in ${colorScheme}`, async () => {
      const { root, browser } = pages.served;
      const out = join(root, `report-${colorScheme}`);
      await renderRuns(await readRuns(join(root, 'compare-1')), { out, windows: 1 });
      const page = await browser.newPage({ colorScheme });
      await page.goto(pathToFileURL(join(out, 'report.html')).href);
      const first = page.locator('[data-record]').first();
      await first.scrollIntoViewIfNeeded();
      await first.locator('canvas').waitFor();
      expect(await violations(page)).toEqual([]);
    });
  }
});
