/** The page with more runs than colours can tell apart, in headless Chromium. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Dashboard, serveDashboard } from '../src/server/server.ts';
import { launchBrowser, noBrowser, openPage } from './browser.ts';
import { evaluationLine, temporaryFolder, writeRun } from './folders.ts';

const ROUTERS = ['lpr', 'top-k', 'switch', 'gshard', 'hash', 'base', 'xmoe', 'remoe', 'sinkhorn', 'noisyTopK'];
const SEEDS = 2;
const IDS = ROUTERS.flatMap((router) => Array.from({ length: SEEDS }, (_, seed) => `${router}-${seed}`));

describe.skipIf(noBrowser !== null)('many runs', () => {
  let root: string;
  let remove: () => Promise<void>;
  let dashboard: Dashboard;
  let browser: Browser;
  const errors: string[] = [];

  beforeAll(async () => {
    ({ path: root, remove } = await temporaryFolder());
    for (const id of IDS) {
      const [, router, seed] = /^(.*)-(\d)$/.exec(id)!;
      await writeRun(join(root, id), 20);
      await writeFile(join(root, id, 'config.yaml'), `architecture: mixtral\nrouter: ${router}\nseed: ${seed}\n`);
      await writeFile(join(root, id, 'evaluations.jsonl'), evaluationLine());
    }
    dashboard = await serveDashboard(root, { host: '127.0.0.1', port: 0 });
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await dashboard.close();
    await remove();
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    const written = errors.splice(0);
    if (written.length > 0) throw new Error(`the page wrote errors:\n${written.join('\n')}`);
  });

  const open = (query = '') =>
    openPage(browser, dashboard.url, errors, `/compare?${IDS.map((id) => `run=${id}`).join('&')}${query}`);

  it('are all compared; seeds are one entry of the legend, and seven have a colour until others are chosen', async () => {
    const page = await open();
    const rows = page.getByRole('region', { name: 'Measures of the runs' }).locator('tbody tr:not(.soft)');
    await expect.poll(() => rows.count()).toBe(IDS.length);
    const legend = page.getByRole('region', { name: 'Legend' });
    const pressed = legend.locator('[aria-pressed=true]');
    expect(await legend.getByRole('button').count()).toBe(ROUTERS.length);
    expect(await legend.getByRole('button').allInnerTexts()).toContain('Mixtral-LPR 2 runs');
    expect(await pressed.count()).toBe(7);
    const other = legend.getByRole('button', { name: 'Mixtral, noisyTopK' });
    expect(await other.isDisabled()).toBe(true);
    const before = await pressed.first().innerText();
    await pressed.nth(1).click();
    await other.click();
    expect(await pressed.count()).toBe(7);
    expect(await pressed.first().innerText()).toBe(before);
    expect(new URL(page.url()).searchParams.getAll('pick')).toContain('Mixtral, noisyTopK');
    // The address opens the same view.
    await page.reload();
    await pressed.first().waitFor();
    await expect.poll(() => other.getAttribute('aria-pressed')).toBe('true');
  });

  it('are coloured by any setting, and the rest is left out at a click', async () => {
    const page = await open('&colour=seed');
    const legend = page.getByRole('region', { name: 'Legend' });
    await legend.getByRole('button').first().waitFor();
    await expect.poll(() => legend.getByRole('button').allInnerTexts()).toEqual(['seed 0 10 runs', 'seed 1 10 runs']);
    await legend.getByRole('button', { name: 'seed 1' }).click();
    await legend.getByLabel('only those with a colour').check();
    const curves = page.locator('figure').first();
    await curves.scrollIntoViewIfNeeded();
    const label = () => curves.getByRole('img').getAttribute('aria-label');
    await expect.poll(async () => (await label())?.split('seed 0').length).toBe(11);
    expect(await label()).not.toContain('seed 1');
  });
});
