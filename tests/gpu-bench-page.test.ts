/** The page on which a browser measures its GPU, in Chromium: on a GPU that the CPU plays, and without one. */
import { readResult } from '@lpr/results/node';
import { describe, expect, it, vi } from 'vitest';
import { violations } from '../apps/dashboard/test/axe.ts';
import { noBrowser } from '../apps/dashboard/test/browser.ts';
import { browserPages } from '../apps/dashboard/test/browser-pages.ts';
import { servePage } from '../bench/src/gpu-page.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

function served(softwareGpu: boolean) {
  return browserPages(async (closing) => {
    const { server, url } = await servePage(0);
    closing.push(() => server.close());
    return { url };
  }, softwareGpu);
}

describe.skipIf(noBrowser !== null)('on a GPU that the CPU plays', () => {
  const pages = served(true);

  it('measures what was chosen, shows it and gives it as a file of results', async () => {
    const page = await pages.open('/');
    expect(await violations(page)).toEqual([]);
    for (const part of ['Attention', 'Training steps']) await page.getByLabel(part).uncheck();
    await page.getByLabel('Toy sizes').check();
    await page.getByRole('button', { name: 'Measure' }).click();
    await expect
      .poll(() => page.getByRole('status').textContent(), { timeout: 200_000 })
      .toMatch(/swiftshader: done\.$/);
    expect(await page.getByRole('alert').textContent()).toBe('');
    const cells = await page.getByRole('row').nth(1).getByRole('cell').allTextContents();
    expect(cells[0]).toBe('matmul 64 x 64 x 64');
    for (const cell of cells.slice(1)) expect(Number(cell)).toBeGreaterThanOrEqual(0);
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download the results as JSON' }).click(),
    ]);
    const result = await readResult(await file.path());
    expect(result).toMatchObject({ kind: 'tables', commands: ['pnpm bench gpu --page'] });
    const rows = result.kind === 'tables' ? result.tables['gpu-products']!.rows : [];
    expect(rows).toHaveLength(2);
    for (const { ours, plain } of rows) expect(Math.min(Number(ours), Number(plain))).toBeGreaterThan(0);
  });
});

describe.skipIf(noBrowser !== null)('without a GPU', () => {
  const pages = served(false);

  it('says so, and can be asked again', async () => {
    const page = await pages.open('/');
    await page.getByRole('button', { name: 'Measure' }).click();
    await expect.poll(() => page.getByRole('alert').textContent()).toMatch(/no GPU to run on/);
    pages.forgive('No available adapters');
    expect(await page.getByRole('button', { name: 'Measure' }).isEnabled()).toBe(true);
    expect(await page.getByRole('link', { name: /Download/ }).isVisible()).toBe(false);
  });
});
