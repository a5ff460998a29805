/** Headless Chromium for tests of the page, wherever a system has put one. */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const CHROMIUM = PLACES.find((place) => existsSync(place));

/** Why pages cannot be tested here; null where they can. */
export const noBrowser: string | null =
  CHROMIUM === undefined ? `there is no ${PLACES.join(', ')}; on Debian: apt-get install chromium` : null;

/** Starts it without what it would ask of the network. Only where `noBrowser` is null. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM!,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A page in a context of its own. Errors and warnings of its console, and what it throws, go to `errors`. */
export async function openPage(
  browser: Browser,
  baseURL: string,
  errors: string[],
  path: string,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, baseURL, ...options });
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
}
