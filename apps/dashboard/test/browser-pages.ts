/** Pages of some server in headless Chromium, for the tests of a `describe`. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { launchBrowser } from './browser.ts';

/** Ends what was started, the last first. */
export type Closing = (() => Promise<void>)[];

export interface BrowserPages<Served> {
  /** What is served, and the browser, while tests run. */
  readonly served: Served & { readonly browser: Browser };
  /** A page in a context of its own. */
  readonly open: (path: string, options?: BrowserContextOptions) => Promise<Page>;
  /** Lets errors that hold a text pass. */
  readonly forgive: (text: string) => void;
}

/**
 * Serves before the tests and ends all of it after them. A test fails whose pages write an error or a warning to the
 * console, throw one, or open a dialog.
 *
 * @param serve starts to serve, and puts what ends it into `closing`
 * @param softwareGpu whether pages find a GPU, if a slow one
 */
export function browserPages<Served extends { readonly url: string }>(
  serve: (closing: Closing) => Promise<Served>,
  softwareGpu = false,
): BrowserPages<Served> {
  let served: (Served & { readonly browser: Browser }) | undefined;
  let errors: string[] = [];
  const closing: Closing = [];

  beforeAll(async () => {
    const own = await serve(closing);
    const browser = await launchBrowser(softwareGpu);
    closing.push(() => browser.close());
    served = { ...own, browser };
  });
  afterAll(async () => {
    for (const close of closing.toReversed()) await close();
  });
  afterEach(async () => {
    await Promise.all((served?.browser.contexts() ?? []).map((context) => context.close()));
    const written = errors;
    errors = [];
    if (written.length > 0) throw new Error(`the page wrote errors:\n${written.join('\n')}`);
  });

  return {
    get served() {
      return served!;
    },
    async open(path, options = {}) {
      const { browser, url } = served!;
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, baseURL: url, ...options });
      context.setDefaultTimeout(30_000);
      const page = await context.newPage();
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) errors.push(`${path}: ${message.text()}`);
      });
      page.on('pageerror', (error) => errors.push(`${path}: ${error.message}`));
      page.on('dialog', (dialog) => {
        errors.push(`${path}: a dialog says ${dialog.message()}`);
        void dialog.dismiss();
      });
      await page.goto(path);
      await page.locator('h1').waitFor();
      return page;
    },
    forgive(text) {
      errors = errors.filter((error) => !error.includes(text));
    },
  };
}
