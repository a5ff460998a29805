/** The page with more runs than colours can tell apart, in headless Chromium. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { noBrowser } from './browser.ts';
import { evaluationLine, loadsFile, metricsLine, writeRun } from './folders.ts';
import { servedPages } from './served-pages.ts';

const ROUTERS = ['lpr', 'top-k', 'switch', 'gshard', 'hash', 'base', 'xmoe', 'remoe', 'sinkhorn', 'noisyTopK'];
const SEEDS = 2;
const IDS = ROUTERS.flatMap((router) => Array.from({ length: SEEDS }, (_, seed) => `${router}-${seed}`));

describe.skipIf(noBrowser !== null)('many runs', () => {
  const pages = servedPages(async (root) => {
    for (const id of IDS) {
      const [, router, seed] = /^(.*)-(\d)$/.exec(id)!;
      await writeRun(join(root, id), 20);
      await writeFile(join(root, id, 'config.yaml'), `architecture: mixtral\nrouter: ${router}\nseed: ${seed}\n`);
      const loss = 5.25 + Number(seed) / 100;
      await writeFile(join(root, id, 'evaluations.jsonl'), evaluationLine({ loss }));
    }
    await writeRun(join(root, 'large'), 20);
    await writeFile(join(root, 'large', 'loads.bin'), loadsFile(2, { layers: 24, experts: 512, topK: 8 }));
  });

  const open = (query = '') => pages.open(`/compare?${IDS.map((id) => `run=${id}`).join('&')}${query}`);

  it('are all compared; seeds are one entry of the legend, and seven have a colour until others are chosen', async () => {
    const page = await open();
    const rows = page.getByRole('region', { name: 'Measures of the runs' }).locator('tbody tr:not(.soft)');
    await expect.poll(() => rows.count()).toBe(ROUTERS.length);
    expect(await rows.first().innerText()).toMatch(/\d ± <?[\d.]+/);
    const less = page.getByRole('region', { name: 'Measures of the runs' }).locator('th[scope=rowgroup]');
    expect(await less.innerText()).toBe('Less Mixtral-LPR, in pairs of a seed');
    await page.getByRole('combobox', { name: 'Differences to' }).selectOption('Mixtral, hash');
    await expect.poll(() => less.innerText()).toBe('Less Mixtral, hash, in pairs of a seed');
    await expect.poll(() => new URL(page.url()).searchParams.get('less')).toBe('Mixtral, hash');
    expect(await page.locator('tr.soft', { hasText: 'Mixtral-LPR' }).last().innerText()).toMatch(/2\s+.*0\.0000 ± 0/);
    await page.getByRole('button', { name: 'Each run' }).click();
    expect(await less.count()).toBe(0);
    await expect.poll(() => rows.count()).toBe(IDS.length);
    await expect.poll(() => new URL(page.url()).searchParams.get('rows')).toBe('runs');
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
    await expect.poll(() => new URL(page.url()).searchParams.getAll('pick')).toContain('Mixtral, noisyTopK');
    // The address opens the same view.
    await page.reload();
    await pressed.first().waitFor();
    await expect.poll(() => other.getAttribute('aria-pressed')).toBe('true');
    // Names that were picked are none where colours stand for something else.
    await legend.getByRole('combobox', { name: 'Colours stand for' }).selectOption('seed');
    await expect.poll(() => legend.locator('.chip[aria-pressed=true]').allInnerTexts()).toHaveLength(SEEDS);
    await expect.poll(() => new URL(page.url()).searchParams.getAll('pick')).toEqual([]);
  });

  it('keep the colours of what was picked, and give those of runs that are not here to others', async () => {
    const gone = Array.from({ length: 6 }, (_, i) => `gone ${i}`);
    const page = await open(`&colour=router&${['router lpr', ...gone].map((name) => `pick=${name}`).join('&')}`);
    const legend = page.getByRole('region', { name: 'Legend' });
    const pressed = legend.locator('[aria-pressed=true]');
    await expect.poll(() => pressed.allInnerTexts()).toEqual(['router lpr 2 runs']);
    await legend.getByRole('button', { name: 'router hash' }).click();
    await expect.poll(() => pressed.allInnerTexts()).toEqual(['router lpr 2 runs', 'router hash 2 runs']);
  });

  it('are zoomed by drag and back, and looked at otherwise, which the address keeps', async () => {
    const page = await open();
    const curves = page.locator('figure').first();
    await curves.scrollIntoViewIfNeeded();
    await curves.and(page.locator('[aria-busy=false]')).waitFor();
    await curves.getByText('Axes').click();
    const canvas = curves.locator('.canvas');
    await canvas.scrollIntoViewIfNeeded();
    const box = (await canvas.boundingBox())!;
    const drag = async () => {
      await page.mouse.move(box.x + 120, box.y + 120);
      await page.mouse.down();
      await page.mouse.move(box.x + 180, box.y + 130, { steps: 3 });
      await page.mouse.up();
    };
    const view = () => new URL(page.url()).searchParams.get('view-curves');
    await drag();
    await expect.poll(view).toMatch(/^from-\d+(\.\d+)? to-\d+(\.\d+)?$/);
    await page.mouse.dblclick(box.x + 150, box.y + 120);
    await expect.poll(view).toBe(null);
    await drag();
    await curves.getByRole('button', { name: 'Whole axis' }).click();
    await curves.getByLabel('log upwards').check();
    await curves.getByRole('spinbutton', { name: 'To' }).fill('10');
    await curves.getByRole('spinbutton', { name: 'To' }).press('Enter');
    await curves.getByLabel('Smoothing').press('ArrowRight');
    await curves.getByRole('combobox', { name: 'Across' }).selectOption('tokens');
    await expect.poll(view).toBe('x-tokens log-y smooth-1');
    await page.reload();
    await expect.poll(() => curves.getByLabel('log upwards', { exact: true }).isChecked()).toBe(true);
  });

  it('are found by seed, status and measure, and ordered in a table that the address keeps', async () => {
    const page = await pages.open('/');
    await expect.poll(() => page.locator('.card').count()).toBe(IDS.length + 1);
    const filter = page.getByLabel('Filter');
    await filter.fill('seed 1, finished');
    await expect.poll(() => page.locator('.card').count()).toBe(ROUTERS.length);
    await page.getByRole('button', { name: 'Table' }).click();
    const rows = page.getByRole('region', { name: 'Runs' }).locator('tbody th');
    await page.getByRole('button', { name: 'router' }).click();
    expect(await rows.first().innerText()).toContain('base-1');
    await page.getByRole('button', { name: 'router' }).click();
    expect(await rows.first().innerText()).toContain('xmoe-1');
    expect(await page.getByRole('columnheader', { name: 'router' }).getAttribute('aria-sort')).toBe('descending');
    for (const id of ['xmoe-1', 'lpr-1']) await page.getByLabel(`Choose ${id} for a comparison`).check();
    await expect.poll(() => decodeURIComponent(page.url())).toContain('chosen=lpr-1');
    await page.reload();
    await expect.poll(() => rows.count()).toBe(ROUTERS.length);
    expect(await rows.first().innerText()).toContain('xmoe-1');
    await filter.fill('test loss < 1');
    await expect.poll(() => rows.count()).toBe(0);
    await page.getByRole('button', { name: 'Compare 2' }).click();
    await page.waitForURL('**/compare?run=xmoe-1&run=lpr-1');
  });

  it('of several ranks show what these waited for each other, alone and beside each other', async () => {
    const waited = (step: number): string =>
      metricsLine(step, { ranks: { sentGradients: 1e6, sentTokens: 2e6, slowestLoad: 1.25, imbalance: 12 } });
    for (const id of ['lpr-1', 'hash-1']) {
      const lines = Array.from({ length: 20 }, (_, i) => waited(i + 1)).join('');
      await writeFile(join(pages.served.root, id, 'metrics.jsonl'), lines);
    }
    for (const address of ['/run?run=lpr-1', '/compare?run=lpr-1&run=hash-1']) {
      const page = await pages.open(address);
      const panel = page.locator('section', {
        has: page.getByRole('heading', { name: 'Ranks that wait for each other' }),
      });
      await panel.waitFor();
      await panel.scrollIntoViewIfNeeded();
      await panel.locator('figure[aria-busy=false]').waitFor();
    }
    const page = await pages.open('/run?run=base-0');
    await page.getByRole('heading', { name: 'Loss and balance' }).waitFor();
    expect(await page.getByRole('heading', { name: 'Ranks that wait for each other' }).count()).toBe(0);
  });

  it('are taken away as PNG, SVG, JSON, and CSV of every step', async () => {
    // More steps than a page draws points of.
    const long = Array.from({ length: 1300 }, (_, i) => metricsLine(i + 1)).join('');
    await writeFile(join(pages.served.root, 'lpr-0', 'metrics.jsonl'), long);
    const page = await pages.open('/compare?run=lpr-0&run=top-k-1');
    const curves = page.locator('figure').first();
    await curves.scrollIntoViewIfNeeded();
    await curves.and(page.locator('[aria-busy=false]')).waitFor();
    const saved = async (kind: string): Promise<Buffer> => {
      const [file] = await Promise.all([
        page.waitForEvent('download'),
        curves.getByRole('button', { name: `save as ${kind}` }).click(),
      ]);
      return await readFile(await file.path());
    };
    expect((await saved('PNG')).subarray(1, 4).toString()).toBe('PNG');
    const svg = (await saved('SVG')).toString();
    expect(svg).toMatch(/^<svg [^]*Loss and balance in training, steps 1 to 1,300[^]*<\/svg>$/);
    expect(svg).not.toContain('<script');
    const rows = (await saved('CSV')).toString().trimEnd().split('\r\n');
    const steps = rows.filter((row) => row.startsWith('Mixtral-LPR,') || row.startsWith('"Mixtral-LPR')).length;
    expect([rows[0], steps, rows.length]).toEqual([expect.stringMatching(/^run,step,loss,/), 1300, 1 + 1300 + 20]);
    expect(rows.every((row) => !/,\d+\.5,/.test(row.split(',').slice(0, 3).join(',')))).toBe(true);
    const { numbers } = JSON.parse((await saved('JSON')).toString()) as {
      numbers: { runs: { series: { loss: [] } }[] };
    };
    expect(numbers.runs.map(({ series }) => series.loss.length)).toEqual([1300, 20]);
  });

  it('of 24 layers and 512 experts have tooltips and clicks on their heatmaps', async () => {
    const page = await pages.open('/run?run=large');
    const heatmap = page.locator('figure', { hasText: 'Expert load on' }).first();
    await heatmap.scrollIntoViewIfNeeded();
    await heatmap.and(page.locator('[aria-busy=false]')).waitFor();
    const canvas = heatmap.locator('.canvas');
    const box = (await canvas.boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await expect
      .poll(() => heatmap.locator('.tip').innerText())
      .toMatch(/^Mixtral-LPR\nlayer \d+, expert \d+: \d\.\d{3} of the uniform share$/);
    const [, layer, expert] = /layer (\d+), expert (\d+)/.exec(await heatmap.locator('.tip').innerText())!;
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    expect(await page.getByLabel('Layer', { exact: true }).inputValue()).toBe(layer);
    expect(await page.getByLabel('Expert', { exact: true }).inputValue()).toBe(expert);
    expect(Number(expert)).toBeGreaterThan(100);
    await page.locator('.slider input').press('Home');
    await expect
      .poll(() => new URL(page.url()).searchParams.toString())
      .toBe(new URLSearchParams({ run: 'large', layer: layer!, expert: expert!, moment: '0' }).toString());
    await page.reload();
    await expect.poll(() => page.getByLabel('Expert', { exact: true }).inputValue()).toBe(expert);
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
    await expect.poll(label).toMatch(/: 10 runs$/);
  });
});
