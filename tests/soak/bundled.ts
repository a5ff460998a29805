/**
 * The trainer in some fifty files in place of 550: as a process it is ready in half the time, which is most of what an
 * errand takes that is soon killed.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeWhole } from '@lpr/runs';
import { build, type Plugin } from 'esbuild';
import { compiled } from '../../scripts/compiled.ts';

/** What Node runs, once it was bundled. */
export const bundledTrainer: readonly string[] = [
  '--conditions=compiled',
  resolve(import.meta.dirname, '../../node_modules/.cache/lpr-soak/main.mjs'),
];

/** Each module still finds what lies beside its own file: kernels, workers, packages. */
const ownPlaces: Plugin = {
  name: 'own places',
  setup(bundle) {
    // Loaded by few commands, and not made to be bundled.
    bundle.onResolve({ filter: /^(gpu\.js|webgpu|esbuild|@napi-rs\/canvas)$/ }, ({ path, resolveDir }) => ({
      path: createRequire(join(resolveDir, 'any')).resolve(path),
      external: true,
    }));
    bundle.onLoad({ filter: /[\\/](packages|apps)[\\/].*\.js$/ }, async ({ path }) => {
      const places = { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) };
      const code = await readFile(path, 'utf8');
      const contents = code.replaceAll(/\bimport\.meta\.(url|filename|dirname)\b/g, (_, place: keyof typeof places) =>
        JSON.stringify(places[place]),
      );
      return { contents, loader: 'js' };
    });
  },
};

/** Bundles the trainer that lies compiled there. */
export default async function bundle(): Promise<void> {
  const main = compiled('trainer')[1];
  const { outputFiles } = await build({
    entryPoints: [main],
    outdir: dirname(bundledTrainer[1]!),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    write: false,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    conditions: ['compiled'],
    // Packages of CommonJS ask for `require`.
    banner: {
      js: `import { createRequire as of } from 'node:module'; const require = of(${JSON.stringify(main)});`,
    },
    plugins: [ownPlaces],
    logLevel: 'error',
  });
  mkdirSync(dirname(bundledTrainer[1]!), { recursive: true });
  // What another soak runs at the moment stays as it is.
  for (const { path, contents } of outputFiles) {
    if (existsSync(path) && readFileSync(path).equals(contents)) continue;
    await writeWhole(path, contents);
  }
}
