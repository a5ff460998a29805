/** How Vite makes the page. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { InlineConfig } from 'vite';
import { addresses } from './addresses.ts';

const FONTS = ['400Regular/Inter_400Regular.ttf', '600SemiBold/Inter_600SemiBold.ttf'];

/** What lets a page share memory with its workers, and so use more than one thread for a model. */
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

const { resolve } = createRequire(import.meta.url);

/**
 * @param outDir where the files go
 * @param isolated whether the server of a preview sends the headers for threads; a static host may not
 */
export function pageConfig(outDir: string, isolated = true): InlineConfig {
  return {
    configFile: false,
    root: fileURLToPath(new URL('../page/', import.meta.url)),
    // Opens from any folder of a host.
    base: './',
    logLevel: 'warn',
    define: { ADDRESSES: JSON.stringify(addresses()) },
    resolve: {
      // The style of the dashboard names them as its server does.
      alias: FONTS.map((font) => ({
        find: font.slice(font.indexOf('/')),
        replacement: resolve(`@expo-google-fonts/inter/${font}`),
      })),
    },
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    worker: { format: 'es' },
    build: {
      target: 'es2022',
      outDir,
      emptyOutDir: true,
      // gpu.js, which is loaded where a reader chooses the GPU alone.
      chunkSizeWarningLimit: 700,
      rolldownOptions: { checks: { pluginTimings: false } },
    },
    preview: { host: '127.0.0.1', ...(isolated && { headers: ISOLATION }) },
  };
}

/** What `build` makes and `pnpm playground` serves. */
export const PAGE_FOLDER: string = fileURLToPath(new URL('../dist/page/', import.meta.url));
