/** The router explorer in headless Chromium: places in the address, by keyboard and by mouse, two models. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { sameToken } from '../page/places.ts';
import { noBrowser } from './browser.ts';
import { traceFile, writeRun } from './folders.ts';
import { type RoutedModel, writeModel } from './models.ts';
import { servedPages } from './served-pages.ts';

it('the same token of two cuts of a text is the one with its first character', () => {
  const cut = (...texts: string[]) => texts.map((text, id) => ({ id, text }));
  const [a, b] = [cut('The', ' state', ' of'), cut('T', 'he s', 'tate', ' of')];
  expect([0, 1, 2].map((token) => sameToken(token, a, b))).toEqual([0, 1, 3]);
  expect([0, 1, 2, 3].map((token) => sameToken(token, b, a))).toEqual([0, 0, 1, 2]);
  expect(sameToken(2, a, cut('The'))).toBe(0);
});

describe.skipIf(noBrowser !== null)('the explorer', () => {
  let top: RoutedModel;
  let lpr: RoutedModel;
  const pages = servedPages(async (root) => {
    for (const run of ['lpr', 'top']) await writeRun(join(root, run));
    await mkdir(join(root, 'lpr', 'traces'));
    await writeFile(join(root, 'lpr', 'traces', 'step-000040.trace'), traceFile(2));
    top = await writeModel(join(root, 'top'), { step: 40, seed: 1 });
    lpr = await writeModel(join(root, 'lpr'), { step: 40, seed: 2, lpr: true });
  });
  const explore = async (query: Record<string, string>): Promise<Page> =>
    await pages.open(`/explore?${new URLSearchParams(query).toString()}`);
  const address = (page: Page) => Object.fromEntries(new URL(page.url()).searchParams);
  const at = (model: RoutedModel, layer: number, token: number): number[] =>
    model.chosen[layer]!.slice(2 * token, 2 * token + 2);

  it('opens at the place that its address says, and keeps there where it goes', async () => {
    const page = await explore({ run: 'lpr', text: lpr.text, layer: '1', token: '4' });
    const [best] = at(lpr, 1, 4);
    await page.getByRole('heading', { name: `Expert ${best} of layer 1` }).waitFor();
    await page.getByRole('heading', { name: /^Token 5 of / }).waitFor();
    expect(await page.getByText(/^Training: alive\. It got \d/).count()).toBe(1);
    expect(
      await page.getByText(/^Held-out text: it last got 16 of 64 tokens at step 40, the newest trace/).count(),
    ).toBe(1);
    const ranked = page.getByRole('region', { name: 'Scores of the token in layer 1' }).locator('tbody tr');
    expect(await ranked.count()).toBe(8);
    expect((await ranked.locator('td:first-child').allInnerTexts()).map(Number).slice(0, 2)).toEqual(at(lpr, 1, 4));
    // By keyboard: another token, another layer's expert, and a token that this one is surest of.
    await page.locator('.token[tabindex="0"]').focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    const [first] = at(lpr, 0, 5);
    await expect.poll(() => page.locator(':focus').textContent()).toContain(`Expert ${first} of layer 0`);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: `Expert ${first} of layer 0` }).waitFor();
    // The first layer is what an address without one means.
    const there = { run: 'lpr', text: lpr.text, token: '5', expert: String(first) };
    await expect.poll(() => address(page)).toEqual(there);
    const surest = page.getByRole('region', { name: 'Tokens that the expert is surest of' }).getByRole('button');
    await surest.last().focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => address(page)['token']).not.toBe('5');
    await page.reload();
    await page.getByRole('heading', { name: `Expert ${first} of layer 0` }).waitFor();
  });

  it('chooses by a click on a prototype, a token and a score', async () => {
    const page = await explore({ run: 'lpr', text: lpr.text });
    const latent = page.locator('figure', { hasText: 'Latent space' });
    await latent.scrollIntoViewIfNeeded();
    await latent.and(page.locator('[aria-busy=false]')).waitFor();
    const seen = new Set<string>();
    const box = (await latent.locator('.canvas').boundingBox())!;
    // Over all of it: what lies where is for the chart to say.
    for (let i = 0; i < 400 && seen.size < 2; i++) {
      const [x, y] = [60 + (i % 20) * ((box.width - 90) / 20), 60 + Math.floor(i / 20) * ((box.height - 110) / 20)];
      await page.mouse.click(box.x + x, box.y + y);
      for (const name of ['token', 'expert']) if (name in address(page)) seen.add(name);
    }
    expect([...seen].toSorted()).toEqual(['expert', 'token']);
    const scores = page.locator('figure', { hasText: 'All scores of token' });
    await scores.scrollIntoViewIfNeeded();
    await scores.and(page.locator('[aria-busy=false]')).waitFor();
    const cells = (await scores.locator('canvas').boundingBox())!;
    await page.mouse.click(cells.x + cells.width / 2, cells.y + cells.height / 2 - 20);
    await page.getByRole('heading', { name: /^Expert \d of layer 1$/ }).waitFor();
  });

  it('sets two models side by side, at one token, each with an expert of its own', async () => {
    const page = await explore({ run: 'top', text: top.text, token: '3' });
    await page.locator('.token').first().waitFor();
    await page.getByLabel('Beside it').selectOption('lpr');
    const [left, right] = ['top', 'lpr'].map((run) => page.getByRole('region', { name: `Routing by ${run}` }));
    for (const [side, model] of [
      [left!, top],
      [right!, lpr],
    ] as const) {
      await side.getByRole('heading', { name: `Expert ${at(model, 0, 3)[0]} of layer 0` }).waitFor();
    }
    expect(await left!.getByText('no prototypes in a latent space').count()).toBe(1);
    await right!.locator('.token').nth(6).click();
    await left!.getByRole('heading', { name: /^Token 7 of/ }).waitFor();
    await right!
      .getByRole('button', { name: /^Expert \d+ of layer 1/ })
      .first()
      .click();
    await right!.getByRole('heading', { name: `Expert ${at(lpr, 1, 6)[0]} of layer 1` }).waitFor();
    await left!.getByRole('heading', { name: `Expert ${at(top, 0, 6)[0]} of layer 1` }).waitFor();
    await expect.poll(() => new URL(page.url()).searchParams.getAll('run')).toEqual(['top', 'lpr']);
    await page.getByLabel('Beside it').selectOption('');
    await expect.poll(() => right!.count()).toBe(0);
  });

  it('says what is wrong with a place in its address by going to the nearest', async () => {
    const page = await explore({ run: 'lpr', text: lpr.text, layer: '99', token: 'x', expert: '-4' });
    await page.getByRole('heading', { name: 'Expert 0 of layer 1' }).waitFor();
    expect(await page.getByRole('heading', { name: /^Token 1 of/ }).count()).toBe(1);
    const missing = await pages.open('/explore?run=gone');
    await missing.getByText('There is no run “gone” in this folder.').waitFor();
  });
});
