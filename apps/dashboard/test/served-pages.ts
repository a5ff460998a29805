/** Pages of a served folder of runs in headless Chromium, for the tests of a `describe`. */
import { serveDashboard } from '../src/server/server.ts';
import { type BrowserPages, browserPages } from './browser-pages.ts';
import { temporaryFolder } from './folders.ts';

export type ServedPages = BrowserPages<{
  /** The folder that is served. */
  readonly root: string;
  readonly url: string;
}>;

/**
 * Serves a folder before the tests and ends all of it after them, as `browserPages` does.
 *
 * @param write fills the folder
 */
export function servedPages(write: (root: string) => Promise<void>): ServedPages {
  return browserPages(async (closing) => {
    const { path: root, remove } = await temporaryFolder();
    closing.push(remove);
    await write(root);
    const dashboard = await serveDashboard(root, { host: '127.0.0.1', port: 0 });
    closing.push(() => dashboard.close());
    return { root, url: dashboard.url };
  });
}
