/** The built page in Chromium: it trains, its switches do what they say, and its address brings it back. */
import type { BrowserContextOptions, Locator, Page } from 'playwright-core';
import { preview } from 'vite';
import { describe, expect, it, vi } from 'vitest';
import { violations } from '../../dashboard/test/axe.ts';
import { noBrowser } from '../../dashboard/test/browser.ts';
import { type BrowserPages, browserPages } from '../../dashboard/test/browser-pages.ts';
import { addresses } from '../scripts/addresses.ts';
import { PAGE_FOLDER, pageConfig } from '../scripts/page.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** The page from a server that sends the headers for threads, or from one that does not. */
function servedPage(isolated: boolean): BrowserPages<{ readonly url: string }> {
  return browserPages(async (closing) => {
    const config = pageConfig(PAGE_FOLDER, isolated);
    const server = await preview({ ...config, preview: { ...config.preview, port: 0 } });
    closing.push(() => server.close());
    return { url: server.resolvedUrls!.local[0]! };
  });
}

/** So that nothing moves before it is told to. */
const STILL: BrowserContextOptions = { reducedMotion: 'reduce' };

const button = (page: Page, name: string): Locator => page.getByRole('button', { name, exact: true });
const panel = (page: Page, name: string): Locator => page.getByRole('region', { name });
const image = (page: Page, name: RegExp): Locator => page.getByRole('img', { name });

async function stepOf(page: Page): Promise<number> {
  const text = await page.locator('.count b').textContent();
  return Number(text!.replaceAll(/\D/g, ''));
}

/** Opens it, and waits for its models. */
async function ready(pages: ReturnType<typeof servedPage>, path: string, options = STILL): Promise<Page> {
  const page = await pages.open(path, options);
  await expect.poll(() => button(page, 'Start').isEnabled()).toBe(true);
  return page;
}

async function step(page: Page): Promise<void> {
  const before = await stepOf(page);
  await button(page, 'Step').click();
  await expect.poll(() => stepOf(page)).toBe(before + 1);
}

/** Waits until the models of another choice are there: at step 0, with words of the page. */
async function made(page: Page, label: RegExp): Promise<void> {
  await expect.poll(() => image(page, label).first().isVisible()).toBe(true);
  await expect.poll(() => stepOf(page)).toBe(0);
  await expect.poll(() => button(page, 'Start').isEnabled()).toBe(true);
}

describe.skipIf(noBrowser !== null)('the page', () => {
  const pages = servedPage(true);

  it('trains by itself, both models on the same steps, and moves', async () => {
    const page = await pages.open('/', {});
    await expect.poll(() => stepOf(page)).toBeGreaterThan(30);
    await button(page, 'Pause').click();
    for (const name of ['LPR', 'Qwen3-MoE’s own router']) {
      const loss = await panel(page, name).locator('dd').first().textContent();
      expect(Number(loss)).toBeLessThan(6);
    }
    expect(await image(page, /^Loss over \d\d+ steps: LPR \d\.\d+, Qwen3-MoE’s own router \d\.\d+$/).count()).toBe(1);
    expect(await image(page, /^Loads of 16 experts in 2 layers: the busiest has \d/).count()).toBe(2);
    expect(await image(page, /^Directions of \d+ tokens and 16 prototypes of layer 0/).count()).toBe(1);
  });

  it('lets its fields be filled while it trains', async () => {
    const page = await pages.open('/?experts=4&layers=1', {});
    const seed = page.getByLabel('Seed', { exact: true });
    await expect.poll(() => stepOf(page)).toBeGreaterThan(0);
    await seed.fill('12');
    const before = await stepOf(page);
    await expect.poll(() => stepOf(page)).toBeGreaterThan(before + 5);
    await seed.press('3');
    await seed.press('Enter');
    await expect.poll(() => new URL(page.url()).searchParams.get('seed')).toBe('123');
    await expect.poll(() => stepOf(page)).toBeLessThan(before);
    await expect.poll(() => stepOf(page)).toBeGreaterThan(3);
  });

  it('takes single steps, the same after a reset, and pauses', async () => {
    const page = await ready(pages, '/?experts=4&layers=1');
    const losses = async (): Promise<string[]> => {
      for (let i = 0; i < 2; i++) await step(page);
      return await page.getByRole('region').locator('dd').allTextContents();
    };
    const first = await losses();
    await button(page, 'Reset').click();
    await made(page, /none yet/);
    expect(await losses()).toEqual(first);
    await button(page, 'Start').click();
    await expect.poll(() => stepOf(page)).toBeGreaterThan(4);
    await button(page, 'Pause').click();
    await expect.poll(() => button(page, 'Step').isEnabled()).toBe(true);
  });

  it('does what its switches say, and says it in its address', async () => {
    const page = await ready(pages, '/');
    await page.getByLabel('Experts', { exact: true }).selectOption('8');
    await made(page, /Loads of 8 experts in 2 layers/);
    await page.getByLabel('Top-k', { exact: true }).selectOption('4');
    await page.getByLabel('Layers', { exact: true }).selectOption('1');
    await made(page, /Loads of 8 experts in 1 layer:/);
    await page.getByLabel('Architecture', { exact: true }).selectOption('DeepSeek-V3');
    await expect.poll(() => panel(page, 'DeepSeek-V3’s own router').isVisible()).toBe(true);
    await page.getByLabel('Temperature', { exact: true }).focus();
    await page.keyboard.press('ArrowRight');
    await page.getByLabel('Selection bias', { exact: true }).focus();
    await page.keyboard.press('Home');
    await page.getByLabel('Diversity', { exact: true }).focus();
    await page.keyboard.press('ArrowLeft');
    await page.getByLabel('Balance loss', { exact: true }).focus();
    await page.keyboard.press('End');
    await page.getByLabel('Seed', { exact: true }).fill('7.4');
    await page.getByLabel('Seed', { exact: true }).blur();
    await expect
      .poll(() => Object.fromEntries(new URL(page.url()).searchParams))
      .toEqual({
        architecture: 'deepseek-v3',
        experts: '8',
        'top-k': '4',
        layers: '1',
        temperature: '4',
        'bias-rate': '0',
        diversity: '0.5',
        'auxiliary-loss': '0.1',
        seed: '7',
      });
    await made(page, /none yet/);
    await step(page);
    await page.getByLabel('Train', { exact: true }).selectOption('LPR');
    await expect.poll(() => panel(page, 'DeepSeek-V3’s own router').count()).toBe(0);
    expect(await page.getByLabel('Balance loss', { exact: true }).count()).toBe(0);
    await page.getByLabel('Experts', { exact: true }).selectOption('4');
    await made(page, /Loads of 4 experts/);
    expect(await page.getByLabel('Top-k', { exact: true }).locator('option:not(:disabled)').allTextContents()).toEqual([
      '1',
      '2',
      '4',
    ]);
    await step(page);
  });

  it('comes back from its address, whatever that says', async () => {
    const page = await ready(pages, '/?experts=8&layers=3&layer=2&token=5&seed=3&routers=lpr&sample=The%20union.');
    const shown = async (): Promise<unknown> => [
      page.url(),
      await page.getByLabel('Experts', { exact: true }).inputValue(),
      await page.getByLabel('Layer', { exact: true }).inputValue(),
      await page.getByLabel('A sentence to follow').inputValue(),
      await page.locator('.token').allTextContents(),
      await page.locator('.token[aria-pressed=true]').textContent(),
      await page.locator('table.experts').allTextContents(),
    ];
    const before = await shown();
    await page.reload();
    await expect.poll(() => button(page, 'Start').isEnabled()).toBe(true);
    expect(await shown()).toEqual(before);

    const hostile = await ready(pages, '/?experts=1e99&top-k=-3&layers=NaN&seed=%00&layer=77&sample=%3Cscript%3E&x=1');
    expect(await hostile.getByLabel('Experts', { exact: true }).inputValue()).toBe('64');
    expect(await hostile.getByLabel('Top-k', { exact: true }).inputValue()).toBe('1');
    await step(hostile);
  });

  it('shows the way of a token through both models', async () => {
    const page = await ready(pages, '/?layers=3&top-k=4');
    await page.locator('.token').filter({ hasText: ' of' }).first().click();
    const ways = page.locator('table.experts');
    expect(await ways.count()).toBe(2);
    for (const way of await ways.all()) {
      const rows = await way.locator('tbody tr').all();
      expect(rows).toHaveLength(3);
      for (const row of rows) {
        const texts = await row.locator('.expert').allTextContents();
        const weights = texts.map((text) => Number(text.slice(text.indexOf('.') - 1)));
        expect(weights).toHaveLength(4);
        expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 1);
      }
    }
    const pressed = page.locator('.token[aria-pressed=true]');
    expect(await pressed.count()).toBe(1);
    const token = (): number => Number(new URL(page.url()).searchParams.get('token'));
    await expect.poll(token).toBe(4);
    await page.keyboard.press('ArrowRight');
    await expect.poll(token).toBe(5);
    await page.keyboard.press('End');
    await expect.poll(() => pressed.textContent()).toMatch(/^\./);

    await page.getByLabel('A sentence to follow').fill('Jobs, jobs, jobs! '.repeat(13));
    await expect.poll(() => page.locator('.token').first().textContent()).toMatch(/^J/);
    expect(await page.getByText(/the last \d+ of the sentence are left out/).count()).toBe(1);
    await step(page);
  });

  it('learns a text of the reader’s, which stays in the tab', async () => {
    const page = await ready(pages, '/?experts=4&layers=1');
    await page.getByText('Take another text').click();
    const field = page.getByLabel(/^Your text, of at least/);
    await field.fill('Too short.');
    await button(page, 'Train on this text').click();
    expect(await page.getByRole('alert').textContent()).toMatch(/too short .* 10 characters/);
    await field.fill('again '.repeat(600));
    await button(page, 'Train on this text').click();
    await expect
      .poll(() => page.getByRole('alert').allTextContents())
      .toEqual([expect.stringMatching(/repeats itself/)]);
    const text = addresses().slice(-12_000);
    await field.fill(text);
    await button(page, 'Train on this text').click();
    await made(page, /none yet/);
    expect(await page.getByRole('alert').count()).toBe(0);
    expect(await page.getByText('Your text, of 12,000 characters.').count()).toBe(1);
    await step(page);
    await page.reload();
    await made(page, /none yet/);
    expect(await page.getByText('Your text, of 12,000 characters.').count()).toBe(1);
    expect(new URL(page.url()).searchParams.get('text')).toBe('own');

    const other = await ready(pages, '/?text=own&experts=4&layers=1');
    expect(await other.getByText(/made with a text of its sender’s/).count()).toBe(1);
  });

  it('uses threads where there are cores for them, with the same results', async () => {
    const page = await ready(pages, '/?experts=4&layers=1');
    const measured = async (): Promise<string[]> => {
      for (let i = 0; i < 3; i++) await step(page);
      return await page.getByRole('region').locator('dd').allTextContents();
    };
    expect(await page.evaluate('crossOriginIsolated')).toBe(true);
    await page.addInitScript(
      'Object.defineProperty(navigator, "hardwareConcurrency", { value: 1, configurable: true })',
    );
    await page.reload();
    await made(page, /none yet/);
    const alone = await measured();
    expect(await page.locator('.about').textContent()).toMatch(/wasm, in place/);
    await page.addInitScript(
      'Object.defineProperty(navigator, "hardwareConcurrency", { value: 6, configurable: true })',
    );
    await page.reload();
    await made(page, /none yet/);
    expect(await measured()).toEqual(alone);
    expect(await page.locator('.about').textContent()).toMatch(/wasm, 2 threads/);
  });

  it('says so where there is no GPU, and goes on with the CPU', async () => {
    const page = await pages.open('/?experts=4&layers=1&device=gpu', STILL);
    const alert = page.getByRole('alert');
    await expect.poll(() => alert.allTextContents()).toEqual([expect.stringMatching(/GPU cannot .* CPU instead/)]);
    await page.getByLabel('Compute on', { exact: true }).selectOption('CPU');
    await made(page, /none yet/);
    expect(await alert.count()).toBe(0);
    await step(page);
  });

  it('says in words where a browser lacks what it needs', async () => {
    const page = await ready(pages, '/?experts=4&layers=1');
    await page.addInitScript('WebAssembly.validate = () => false');
    await page.reload();
    await expect.poll(() => page.getByRole('alert').allTextContents()).toEqual([expect.stringMatching(/no SIMD/)]);
    expect(await button(page, 'Start').isDisabled()).toBe(true);
  });

  it('copies its link', async () => {
    const page = await ready(pages, '/?experts=4&layers=1&seed=5', {
      ...STILL,
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    await button(page, 'Copy link').click();
    await expect.poll(() => page.getByText('Link copied').count()).toBe(1);
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(page.url());
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it.each([
      ['a desktop', { width: 1280, height: 900 }],
      ['a phone', { width: 390, height: 800 }],
    ])(`breaks no rule of axe, in ${colorScheme} on %s, and fits`, async (_, viewport) => {
      const page = await ready(pages, '/?layers=3&experts=32', { ...STILL, colorScheme, viewport });
      await step(page);
      const closed = page.locator('details:not([open]) summary');
      while ((await closed.count()) > 0) await closed.first().click();
      await button(page, 'Train on this text').click();
      await page.getByRole('alert').waitFor();
      expect(await violations(page)).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    });
  }
});

describe.skipIf(noBrowser !== null)('the page of a host that sends no headers', () => {
  const pages = servedPage(false);

  it('trains on one thread a model, and says so', async () => {
    const page = await ready(pages, '/?experts=4&layers=1');
    expect(await page.evaluate('crossOriginIsolated')).toBe(false);
    await step(page);
    expect(await page.locator('.about').textContent()).toMatch(/no headers for cross-origin isolation.*one thread/);
  });
});
