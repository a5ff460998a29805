/**
 * Routers from outside, in the files that `--router` names. They are code, so they are loaded where the command line
 * names them and nowhere else: not because a run, a configuration or a model does.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DecoderConfig } from '@lpr/model';
import { type CustomRouter, isCustomKind, registerRouter } from '@lpr/moe';
import type { Plugin } from 'esbuild';
import { UsageError } from '../cli/errors.ts';
import type { Fault } from './faults.ts';
import type { RouterFile, Settings } from './schema.ts';

/** A router from outside as it was loaded: plain data, for other processes of this program. */
export interface LoadedRouter extends RouterFile {
  /** One module, with what lies beside it in it. */
  readonly code: string;
}

/** By kind. */
const loaded = new Map<string, LoadedRouter>();

/** Whether `--router` names a file rather than a router. */
export function isRouterFile(name: string): boolean {
  return /\.[cm]?[jt]s$/.test(name);
}

/**
 * Loads the routers whose files are in a list, as `--router` takes it, and gives the list with their names in place of
 * their files.
 *
 * @throws UsageError that says what is wrong with which file
 */
export async function loadRouters(list: string): Promise<string> {
  const names: string[] = [];
  for (const name of list.split(',')) names.push(isRouterFile(name) ? await loadRouter(name) : name);
  return names.join(',');
}

/** What was loaded of a router from outside; undefined for all others, and where nothing was. */
export function loadedRouter(router: string): LoadedRouter | undefined {
  return loaded.get(router);
}

/** The file of a router from outside; undefined for all others, and where it was not loaded. */
export function routerFileOf(router: string): RouterFile | undefined {
  const own = loaded.get(router);
  return own && { path: own.path, sha256: own.sha256 };
}

/** Paths of all files that were loaded, from anywhere. */
export function loadedFiles(): string[] {
  return Array.from(loaded.values(), ({ path }) => resolve(path));
}

/** What is wrong with the router of settings where it is one from outside. */
export function routerFileFaults({ router, routerFile }: Settings): Fault[] {
  if (!isCustomKind(router)) {
    const problem = `the router ${router} is none from outside; leave it out`;
    return routerFile === undefined ? [] : [{ path: 'routerFile', problem }];
  }
  if (!loaded.has(router)) {
    const path = routerFile?.path ?? 'its file';
    const problem = `${router} is a router from outside, and code is loaded only where the command line names it; add --router ${path}`;
    return [{ path: 'router', problem }];
  }
  const changed = changedFile(router, routerFile?.sha256);
  return changed === null
    ? []
    : [{ path: 'routerFile.sha256', problem: `${changed}; put it back, or start a new run` }];
}

/**
 * That the router of a model is what it was trained with, where that was in a file.
 *
 * @param folder of the model
 * @throws UsageError that names the file which is another
 */
export function checkRouterFile(
  folder: string,
  { router_type: router, router_file_sha256: sum }: Pick<DecoderConfig, 'router_type' | 'router_file_sha256'>,
): void {
  const changed = changedFile(router, sum);
  if (changed !== null) throw new UsageError(`${folder}: ${changed}; name that one with --router`);
}

/** That a router was loaded from a file of another sum than it was written down with; null where it was not. */
function changedFile(router: string, sum: string | undefined): string | null {
  const own = loaded.get(router);
  if (own === undefined || sum === undefined || own.sha256 === sum) return null;
  return `${own.path} is no longer the router ${router} that was trained (sha256 ${own.sha256} in place of ${sum})`;
}

async function loadRouter(path: string): Promise<string> {
  if (!existsSync(path)) {
    throw new UsageError(
      `--router ${path}: there is no such file; pnpm trainer new-router NAME writes one to begin with`,
    );
  }
  return await takeRouter({ path, ...(await bundled(path)) });
}

/**
 * Makes a router known that was loaded, here or in another process of this program; gives its name.
 *
 * @throws UsageError that names its file
 */
export async function takeRouter(own: LoadedRouter): Promise<string> {
  const { path, code } = own;
  const router = await imported(path, code);
  const { kind } = router.defaults;
  try {
    registerRouter(router);
  } catch (error) {
    throw new UsageError(`--router ${path}: ${(error as Error).message}`);
  }
  loaded.set(kind, own);
  return kind;
}

/**
 * The router as one module: what lies beside it is in it, and the packages of this project are those that run here. The
 * sum is that of its files, wherever they lie.
 */
async function bundled(path: string): Promise<{ code: string; sha256: string }> {
  // Only those with a router of their own wait for it.
  const { build } = await import('esbuild');
  const folder = dirname(resolve(path));
  try {
    const { outputFiles, metafile } = await build({
      entryPoints: [resolve(path)],
      absWorkingDir: folder,
      bundle: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      logLevel: 'silent',
      plugins: [packages],
    });
    const sum = createHash('sha256');
    for (const name of Object.keys(metafile.inputs)) sum.update(readFileSync(resolve(folder, name))).update('\0');
    return { code: outputFiles[0]!.text, sha256: sum.digest('hex') };
  } catch (error) {
    throw new UsageError(`--router ${path}: ${(error as Error).message}`);
  }
}

/** Packages stay outside: those of this project are found from here, others from the file that imports them. */
const packages: Plugin = {
  name: 'packages',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, ({ path, importer }) => {
      if (path.startsWith('node:') || importer === '') return undefined;
      const origin = path.startsWith('@lpr/') ? import.meta.url : importer;
      return { path: pathToFileURL(createRequire(origin).resolve(path)).href, external: true };
    });
  },
};

async function imported(path: string, code: string): Promise<CustomRouter> {
  let module: { readonly default?: unknown };
  try {
    module = (await import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`)) as object;
  } catch (error) {
    throw new UsageError(`--router ${path}: ${(error as Error).message}`);
  }
  const router = module.default as CustomRouter | undefined;
  if (router?.defaults === undefined || !isCustomKind(router.defaults.kind)) {
    throw new UsageError(`--router ${path}: ${basename(path)} must have what defineRouter gives as its default export`);
  }
  return router;
}
