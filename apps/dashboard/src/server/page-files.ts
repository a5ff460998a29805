/**
 * The files of the page: bundled by the build into the package, or here and now when the program runs from its source.
 */
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface PageFile {
  readonly type: string;
  readonly content: Uint8Array;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
};

const SOURCE = fileURLToPath(new URL('../../page/', import.meta.url));
const BUILT = fileURLToPath(new URL('../page/', import.meta.url));

const BUNDLED = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  define: { 'process.env.NODE_ENV': '"production"' },
  write: false,
} as const;

let files: Promise<ReadonlyMap<string, PageFile>> | undefined;

/** All files by their name in the address, `index.html` among them; read or bundled once a process. */
export function pageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  files ??= makePageFiles().catch((error: unknown) => {
    // What failed once, for want of memory or a file, may succeed when asked again.
    files = undefined;
    throw error;
  });
  return files;
}

async function makePageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const contents = import.meta.url.endsWith('.ts') ? await bundlePage() : await builtPage();
  return new Map(
    Array.from(contents, ([name, content]) => [
      name,
      { type: TYPES[extname(name)] ?? 'application/octet-stream', content },
    ]),
  );
}

/** The script of reports: bundled by the build, or here and now. */
export async function reportScript(): Promise<string> {
  if (!import.meta.url.endsWith('.ts')) return await readFile(join(BUILT, REPORT_SCRIPT), 'utf8');
  return new TextDecoder().decode(await bundleReportScript());
}

/** What the build calls the script of reports. */
export const REPORT_SCRIPT = 'report-script.js';

/** Bundles the script of reports into one module without imports. */
export async function bundleReportScript(): Promise<Uint8Array> {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    entryPoints: [join(SOURCE, 'report-script.ts')],
    ...BUNDLED,
    // Inside of a page the end of a script is the first thing that looks like one.
    supported: { 'inline-script': false },
  });
  return outputFiles[0]!.contents;
}

/** Bundles `page/` and adds what it needs beside: contents by file name. */
export async function bundlePage(): Promise<Map<string, Uint8Array>> {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    entryPoints: ['main.tsx', 'theme.ts', 'levels-worker.ts', 'style.css'].map((name) => join(SOURCE, name)),
    ...BUNDLED,
    outdir: '/',
    splitting: true,
    jsx: 'automatic',
    jsxImportSource: 'preact',
    external: ['*.ttf'],
  });
  const files = new Map(outputFiles.map(({ path, contents }) => [path.replace(/^.*[\\/]/, ''), contents]));
  for (const name of ['index.html', 'icon.svg']) files.set(name, await readFile(join(SOURCE, name)));
  const { resolve } = createRequire(import.meta.url);
  for (const font of ['400Regular/Inter_400Regular.ttf', '600SemiBold/Inter_600SemiBold.ttf']) {
    files.set(font.slice(font.indexOf('/') + 1), await readFile(resolve(`@expo-google-fonts/inter/${font}`)));
  }
  return files;
}

async function builtPage(): Promise<Map<string, Uint8Array>> {
  const names = await readdir(BUILT);
  return new Map(
    await Promise.all(
      names.map(async (name): Promise<[string, Uint8Array]> => [name, await readFile(join(BUILT, name))]),
    ),
  );
}
