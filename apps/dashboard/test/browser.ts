/** Headless Chromium for tests of the page, wherever a system has put one. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const CHROMIUM = PLACES.find((place) => existsSync(place));

/** Why pages cannot be tested here; null where they can. */
export const noBrowser: string | null =
  CHROMIUM === undefined ? `there is no ${PLACES.join(', ')}; on Debian: apt-get install chromium` : null;

/** What gives pages a GPU that the CPU plays. */
const SOFTWARE_GPU = [
  ...['--enable-unsafe-webgpu', '--enable-unsafe-swiftshader', '--use-webgpu-adapter=swiftshader'],
  ...['--enable-features=Vulkan', '--use-vulkan=swiftshader', '--disable-vulkan-surface'],
];

/**
 * Starts it without what it would ask of the network. Only where `noBrowser` is null.
 *
 * @param softwareGpu whether pages find a GPU, if a slow one
 */
export function launchBrowser(softwareGpu = false): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM!,
    args: [
      ...(softwareGpu ? SOFTWARE_GPU : ['--disable-gpu']),
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
