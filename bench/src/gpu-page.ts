/** `pnpm bench gpu --page`: the page in `page/`, on which a browser measures its own GPU. */
import { fileURLToPath } from 'node:url';
import { build, type InlineConfig, preview, type PreviewServer } from 'vite';

const config: InlineConfig = {
  configFile: false,
  root: fileURLToPath(new URL('../page/', import.meta.url)),
  base: './',
  logLevel: 'warn',
  build: {
    target: 'es2022',
    outDir: fileURLToPath(new URL('../node_modules/.cache/page/', import.meta.url)),
    emptyOutDir: true,
    // gpu.js is large.
    chunkSizeWarningLimit: 1000,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  preview: { host: '127.0.0.1' },
};

/**
 * Builds the page and serves it to this machine.
 *
 * @param port any free one unless given
 */
export async function servePage(port?: number): Promise<{ readonly server: PreviewServer; readonly url: string }> {
  await build(config);
  const server = await preview({ ...config, preview: { ...config.preview, ...(port !== undefined && { port }) } });
  return { server, url: server.resolvedUrls!.local[0]! };
}
