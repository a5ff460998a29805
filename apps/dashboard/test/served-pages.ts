/** Pages of a served folder of runs in headless Chromium, for the tests of a `describe`. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { serveDashboard } from '../src/server/server.ts';
import { launchBrowser } from './browser.ts';
import { temporaryFolder } from './folders.ts';

interface Served {
  /** The folder that is served. */
  readonly root: string;
  readonly url: string;
  readonly browser: Browser;
}

export interface ServedPages {
  /** What is served, while tests run. */
  readonly served: Served;
  /** A page in a context of its own. */
  readonly open: (path: string, options?: BrowserContextOptions) => Promise<Page>;
  /** Lets errors that hold a text pass. */
  readonly forgive: (text: string) => void;
}

/**
 * Serves a folder before the tests and ends all of it after them. A test fails whose pages write an error or a warning
 * to the console, throw one, or open a dialog.
 *
 * @param write fills the folder
 */
export function servedPages(write: (root: string) => Promise<void>): ServedPages {
  let served: Served | undefined;
  let errors: string[] = [];
  const closing: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    const { path: root, remove } = await temporaryFolder();
    closing.push(remove);
    await write(root);
    const dashboard = await serveDashboard(root, { host: '127.0.0.1', port: 0 });
    closing.push(() => dashboard.close());
    const browser = await launchBrowser();
    closing.push(() => browser.close());
    served = { root, url: dashboard.url, browser };
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
