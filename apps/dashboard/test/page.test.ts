/**
 * The page in headless Chromium, against the real server and real run folders. No page may write an error to the
 * console.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadImage } from '@napi-rs/canvas';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { compiled } from '../../../scripts/compiled.ts';
import { serveDashboard } from '../src/server/server.ts';
import { noBrowser } from './browser.ts';
import { evaluationLine, metricsLine, temporaryFolder, traceFile, writeRun } from './folders.ts';
import { writeModel } from './models.ts';
import { servedPages } from './served-pages.ts';

const HOSTILE = `"><img src=x onerror=alert(1)><script>alert(2)</script>{a|b}`;
const PAGES = ['/', '/run?run=good', '/compare?run=good&run=compare-1%2Flpr', '/explore?run=good'];

if (noBrowser !== null) console.warn(`The page is not tested: ${noBrowser}.`);

describe.skipIf(noBrowser !== null)('the page', () => {
  let routed: Awaited<ReturnType<typeof writeModel>>;

  const pages = servedPages(async (root) => {
    const measures = { gini: 0.1, minMax: 0.5 };
    const evaluation = evaluationLine({ balance: { mean: measures, worst: measures } });
    for (const name of ['good', 'compare-1/lpr', 'compare-1/top-k']) {
      await writeRun(join(root, name));
      await writeFile(join(root, name, 'evaluations.jsonl'), evaluation);
    }
    await mkdir(join(root, 'good', 'traces'));
    for (const step of [20, 40]) {
      await writeFile(join(root, 'good', 'traces', `step-0000${step}.trace`), traceFile(step / 20));
    }
    routed = await writeModel(join(root, 'good'), { step: 40, seed: 1 });
    await writeRun(join(root, 'hostile', HOSTILE.replaceAll('/', '\u2215')));
    await writeRun(join(root, 'broken'), 20);
    await writeFile(join(root, 'broken', 'loads.bin'), 'nonsense '.repeat(9));
    await appendFile(join(root, 'broken', 'metrics.jsonl'), '{"step":21,\n');
  });
  const { open } = pages;

  /** Waits until figure number `index` is drawn. */
  async function drawn(page: Page, index = 0): Promise<void> {
    await page.locator('figure').nth(index).scrollIntoViewIfNeeded();
    await page.locator('figure').nth(index).and(page.locator('[aria-busy=false]')).waitFor();
  }

  it('lists runs and narrows them down', async () => {
    const page = await open('/');
    await expect.poll(() => page.locator('.card').count()).toBe(5);
    const good = page.locator('.card', { hasText: 'good' });
    expect(await good.innerText()).toMatch(
      /finished[\s\S]*lpr · mixtral · seed 3[\s\S]*5\.250[\s\S]*0\.100[\s\S]*step 40 of 100/,
    );
    expect(await good.locator('polyline').count()).toBe(2);
    await page.getByLabel('Filter').fill('compare-1');
    expect(await page.locator('.card').count()).toBe(2);
    for (const box of await page.getByRole('checkbox').all()) await box.check();
    await page.getByRole('button', { name: 'Compare 2' }).click();
    await page.waitForURL('**/compare?**');
    expect(await page.locator('h1').innerText()).toBe('Compare');
  });

  it('keeps what was chosen just before it is left', async () => {
    const page = await open('/');
    await page.locator('.card').first().waitFor();
    await page.evaluate(`
      document.querySelector('button[aria-pressed]').click();
      document.querySelector('a[href="/explore"]').click();
    `);
    await page.waitForURL('**/explore');
    await page.goBack();
    await page.getByRole('region', { name: 'Runs' }).waitFor();
    expect(new URL(page.url()).search).toBe('?as=table');
  });

  it('shows a run, and its loads at any moment by keyboard', async () => {
    const page = await open('/run?run=good');
    await drawn(page);
    await drawn(page, 1);
    const slider = page.getByRole('slider');
    expect(await slider.getAttribute('aria-valuetext')).toBe('training until step 40');
    await slider.focus();
    await page.keyboard.press('ArrowLeft');
    await expect.poll(() => slider.getAttribute('aria-valuetext')).toBe('training until step 30');
    await page.keyboard.press('Home');
    await expect.poll(() => slider.getAttribute('aria-valuetext')).toBe('training until step 10');
    await page.getByRole('button', { name: 'Held-out text', exact: true }).click();
    expect(await page.getByRole('heading', { name: 'Layer 0, held-out text after step 40' }).isVisible()).toBe(true);
    await page.getByLabel('Layer', { exact: true }).selectOption('1');
    const first = page.getByRole('region', { name: 'Experts of layer 1 by load' }).locator('tbody tr').first();
    expect((await first.innerText()).split(/\s+/)).toEqual(['0', '8', '1.778']);
    // A click on a cell looks into its layer and expert.
    const box = (await page.locator('figure').nth(1).locator('canvas').boundingBox())!;
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2 - 20);
    expect(await page.getByLabel('Expert', { exact: true }).inputValue()).not.toBe('0');
    expect(await page.locator('.problem').count()).toBe(0);
  });

  it('shows what experts are chosen for', async () => {
    const page = await open('/run?run=good');
    await page.getByText('What experts are chosen for').click();
    const details = page.locator('details', { hasText: 'What experts are chosen for' });
    await expect.poll(() => details.locator('figure').count()).toBe(6);
    const before = await page.locator('figure').count();
    for (let i = before - 6; i < before; i++) await drawn(page, i);
    const [csv] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: /^Router saturation.*save as CSV$/ }).click(),
    ]);
    // Moved by one, a token keeps one of its two experts.
    expect((await readFile(await csv.path(), 'utf8')).split('\r\n').slice(1, 5)).toEqual([
      expect.stringMatching(/^Mixtral-LPR,20,0,0.5,0\.\d+$/),
      expect.stringMatching(/^Mixtral-LPR,20,1,0.5,0\.\d+$/),
      expect.stringMatching(/^Mixtral-LPR,40,0,1,0\.\d+$/),
      expect.stringMatching(/^Mixtral-LPR,40,1,1,0\.\d+$/),
    ]);
  });

  it('sets runs beside each other', async () => {
    const page = await open('/compare?run=good&run=compare-1%2Flpr&run=gone');
    await drawn(page);
    expect(await page.locator('.problem').innerText()).toBe('There is no run “gone” in this folder.');
    const table = page.getByRole('region', { name: 'Measures of the runs' });
    // Levels of routers without structure follow the runs.
    const runs = table.locator('tbody tr:not(.soft)');
    await expect.poll(() => runs.count()).toBe(2);
    expect(await runs.locator('th').allInnerTexts()).toEqual(['Mixtral-LPR (good)', 'Mixtral-LPR (lpr)']);
    await table.getByText('sampling floor').waitFor();
    await drawn(page, 1);
    const head = table.getByRole('button', { name: 'test loss' });
    const losses = async (): Promise<number[]> => {
      const cells = await runs.locator('td').evaluateAll((all) => all.map((cell) => cell.textContent));
      const [column] = await head.evaluateAll((all) =>
        all.map((each) => Array.from(each.closest('tr')!.children).indexOf(each.closest('th'))),
      );
      const width = cells.length / 2;
      return [0, 1].map((row) => Number(cells[row * width + column! - 1]));
    };
    const before = await losses();
    for (const order of [before.toSorted((a, b) => a - b), before.toSorted((a, b) => b - a)]) {
      await head.click();
      await expect.poll(losses).toEqual(order);
    }
    expect(await table.locator('[aria-sort=descending]').innerText()).toContain('test loss');
    // The head of a column, too, is called so.
    await page.getByRole('button', { name: 'min-max' }).last().click();
    await page.getByText('chosen').click();
    await page.getByRole('checkbox', { name: 'compare-1/top-k' }).check();
    await expect.poll(() => runs.count()).toBe(3);
    await expect.poll(() => page.url()).toContain('run=compare-1%2Ftop-k');
  });

  it('routes a text and walks over its tokens by keyboard', async () => {
    const page = await open('/explore?run=good');
    await page.getByLabel('Text').fill(routed.text);
    await page.keyboard.press('Control+Enter');
    await page.locator('.token').first().waitFor();
    expect((await page.locator('.token').allInnerTexts()).map((text) => Number(/\d+$/.exec(text)?.[0]))).toEqual(
      routed.chosen[0]!.filter((_, i) => i % 2 === 0),
    );
    await page.locator('.token').first().focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('End');
    const last = routed.chosen[0]!.length / 2;
    expect(await page.locator('h3').first().innerText()).toContain(`Token ${last} of ${last}`);
    const experts = await page.locator('.experts tbody tr').first().locator('b').allInnerTexts();
    expect(experts.map(Number)).toEqual(routed.chosen[0]!.slice(-2));
    await drawn(page);
    await page.getByLabel('Run').selectOption('compare-1/lpr');
    await expect.poll(() => page.locator('.problem').innerText()).toContain('This run has no checkpoint yet');
  });

  it('hands out any figure as PNG and as CSV', async () => {
    const page = await open('/run?run=good');
    await drawn(page);
    const [png] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: /^Loss and balance.*save as PNG$/ }).click(),
    ]);
    const image = await loadImage(await readFile(await png.path()));
    expect(image.width).toBe(2400);
    const [csv] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: /^Loss and balance.*save as CSV$/ }).click(),
    ]);
    expect(csv.suggestedFilename()).toBe('Loss-and-balance-in-training-steps-1-to-40-Mixtral-LPR.csv');
    const lines = (await readFile(await csv.path(), 'utf8')).split('\r\n');
    expect(lines[0]).toMatch(/^run,step,loss,gini,minMax,maxViolation/);
    expect(lines[10]).toMatch(/^Mixtral-LPR,10,5\.9,0\.05,0\.5,/);
  });

  it('shows hostile names as they are, and what is wrong with a damaged run', async () => {
    const page = await open('/');
    const hostile = page.locator('.card', { hasText: 'onerror' }).locator('.name');
    const name = HOSTILE.replaceAll('/', '\u2215');
    expect(await hostile.innerText()).toBe(name);
    await hostile.click();
    await drawn(page);
    expect(await page.locator('h1').innerText()).toBe(name);
    await page.mouse.move(400, 500);
    await page.getByRole('link', { name: 'Compare', exact: true }).last().click();
    await drawn(page);
    await page.goto('/run?run=broken');
    await drawn(page);
    expect(await page.locator('.problem').allInnerTexts()).toEqual([
      expect.stringContaining('loads.bin: not a file of expert loads'),
      'metrics.jsonl: line 21 is no JSON and was left out: {"step":21,',
    ]);
    await page.goto('/run?run=%3Cscript%3E');
    await expect.poll(() => page.locator('.problem').innerText()).toContain('there is no run "<script>"');
    pages.forgive('404 (Not Found)');
  });

  it('explains how to make a run where there is none', async () => {
    const empty = await temporaryFolder();
    const other = await serveDashboard(empty.path, { host: '127.0.0.1', port: 0 });
    const page = await open('/', { baseURL: other.url });
    expect(await page.locator('main').innerText()).toContain('pnpm trainer compare --preset tiny');
    await page.goto('/explore');
    await page.getByText('There is no run to explore yet.').waitFor();
    await page.context().close();
    await other.close();
    await empty.remove();
  });

  it.each(PAGES)('%s fits a phone, and is dark where that is wished', async (path) => {
    const page = await open(path, {
      viewport: { width: 360, height: 740 },
      colorScheme: 'dark',
      reducedMotion: 'reduce',
    });
    if (path.includes('run=')) await page.locator('.panel').first().waitFor();
    const figures = await page.locator('figure').count();
    for (let i = 0; i < figures; i++) await drawn(page, i);
    expect(
      await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
    ).toBeLessThanOrEqual(0);
    const ground = (): Promise<unknown> => page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
    expect(await ground()).toBe('rgb(13, 17, 23)');
    await page.getByRole('button', { name: 'Light' }).click();
    expect(await ground()).toBe('rgb(246, 247, 249)');
    await page.reload();
    expect(await ground()).toBe('rgb(246, 247, 249)');
  });

  it('can be walked through with Tab, beginning with a way past the header', async () => {
    const page = await open('/');
    await page.locator('.card').first().waitFor();
    const focused = (): Promise<unknown> =>
      page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText.trim()");
    const seen: unknown[] = [];
    for (let i = 0; i < 7; i++) {
      await page.keyboard.press('Tab');
      seen.push(await focused());
      expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    }
    expect(seen.slice(0, 6)).toEqual([
      'Skip to the content',
      expect.stringContaining('LPR'),
      'Runs',
      'Compare',
      'Explore routing',
      'Dark',
    ]);
    for (let i = 0; i < 6; i++) await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('content');
  });

  it('follows a run while it trains, and nothing moves meanwhile', async () => {
    const { root } = pages.served;
    const page = await open('/');
    const card = page.locator('.card', { hasText: 'live' });
    const args = ['train', '--preset', 'tiny', '--steps', '200', '--threads', '1', '--out', join(root, 'live')];
    const trainer = spawn(process.execPath, [...compiled('trainer'), ...args], { stdio: 'pipe' });
    let output = '';
    trainer.stderr.on('data', (part: Buffer) => (output += part.toString()));
    const done = once(trainer, 'exit');
    try {
      // It stands still at its first report until the page was looked at, which may take longer than all its steps.
      const reported = (): Promise<number> =>
        stat(join(root, 'live', 'metrics.jsonl')).then(
          ({ size }) => size,
          () => 0,
        );
      await expect.poll(reported, { timeout: 30_000 }).toBeGreaterThan(0);
      trainer.kill('SIGSTOP');
      const step = async (): Promise<number> =>
        Number(/step ([\d,]+)/.exec(await card.innerText())?.[1]?.replaceAll(',', ''));
      await card.getByText('running').waitFor();
      await expect.poll(step).toBeGreaterThan(0);
      await card.getByRole('link').click();
      await drawn(page);
      const place = (): Promise<unknown> => page.locator('h2', { hasText: 'Expert loads' }).boundingBox();
      const before = await place();
      const progress = page.getByRole('progressbar');
      const first = Number(await progress.getAttribute('value'));
      expect(first).toBeLessThan(200);
      trainer.kill('SIGCONT');
      await expect.poll(async () => Number(await progress.getAttribute('value'))).toBeGreaterThan(first);
      expect(await place()).toEqual(before);
      const [code] = (await done) as [number];
      expect(code, output).toBe(0);
      await page.locator('.heading').getByText('finished').waitFor();
      expect(await progress.getAttribute('value')).toBe('200');
      await page.getByRole('button', { name: 'Held-out text', exact: true }).waitFor();
    } finally {
      trainer.kill('SIGKILL');
      await done;
      // A page that is still open would ask for the run after it is gone.
      await page.context().close();
      await rm(join(root, 'live'), { recursive: true, force: true });
    }
  });

  it('says when the server is gone, and goes on when it is back', async () => {
    const own = await temporaryFolder();
    await mkdir(join(own.path, 'a'));
    await writeFile(join(own.path, 'a', 'metrics.jsonl'), metricsLine(1));
    let other = await serveDashboard(own.path, { host: '127.0.0.1', port: 0 });
    const { port } = new URL(other.url);
    const page = await open('/', { baseURL: other.url });
    await page.locator('.card').waitFor();
    await other.close();
    await page.getByText('Not connected').waitFor();
    await writeFile(join(own.path, 'a', 'metrics.jsonl'), metricsLine(1) + metricsLine(2));
    other = await serveDashboard(own.path, { host: '127.0.0.1', port: Number(port) });
    await page.getByText('step 2').waitFor();
    await expect.poll(() => page.getByText('Not connected').count()).toBe(0);
    pages.forgive('ERR_');
    await page.context().close();
    await other.close();
    await own.remove();
  });
});
