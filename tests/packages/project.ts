/** Every published package, packed, and an empty project outside of the workspace that they are installed into. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';

export const repository: string = resolve(import.meta.dirname, '../..');

/** Runs a program; what it printed is part of the error when it fails. */
export async function run(cwd: string, command: string, ...words: string[]): Promise<string> {
  const options = {
    cwd,
    shell: process.platform === 'win32',
    env: { ...process.env, NODE_OPTIONS: '', NODE_PATH: '' },
  };
  try {
    return (await promisify(execFile)(command, words, options)).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${words.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: error });
  }
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly exports: Readonly<Record<string, unknown>>;
}

/** What is published, by name. */
export async function publishedManifests(): Promise<Manifest[]> {
  const folders = await readdir(join(repository, 'packages'));
  const manifests = await Promise.all(
    folders.map(
      async (folder) =>
        JSON.parse(await readFile(join(repository, 'packages', folder, 'package.json'), 'utf8')) as Manifest,
    ),
  );
  return manifests.filter(({ private: own }) => own !== true);
}

/** Every name that can be imported, such as `@lpr/model/node`. */
export function entriesOf(manifests: readonly Manifest[]): string[] {
  return manifests.flatMap(({ name, exports }) => Object.keys(exports).map((entry) => name + entry.slice(1)));
}

/** Packs every published package as it is built; gives the tarballs' paths by the packages' names. */
export async function packAll(destination: string, manifests: readonly Manifest[]): Promise<Map<string, string>> {
  const filters = manifests.flatMap(({ name }) => ['--filter', name]);
  // By hand, `prepack` builds first; whoever runs the tests has done so.
  await run(repository, 'pnpm', ...filters, 'pack', '--pack-destination', destination, '--config.ignore-scripts=true');
  return new Map(
    manifests.map(({ name, version }) => [
      name,
      join(destination, `${name.slice(1).replace('/', '-')}-${version}.tgz`),
    ]),
  );
}

/** An empty project with tarballs and Node's types installed. */
export class Project {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * Installs tarballs, and what they depend on from the store or the registry.
   *
   * @returns null where a dependency is neither in the store nor to be had from the registry
   */
  static async install(tarballs: ReadonlyMap<string, string>): Promise<Project | null> {
    const project = new Project(await mkdtemp(join(tmpdir(), 'lpr-project-')));
    const paths = Object.fromEntries(Array.from(tarballs, ([name, path]) => [name, `file:${path}`]));
    const types = JSON.parse(await readFile(join(repository, 'node_modules/@types/node/package.json'), 'utf8'));
    const devDependencies = { '@types/node': (types as Manifest).version };
    await project.write(
      'package.json',
      JSON.stringify({ private: true, type: 'module', dependencies: paths, devDependencies }),
    );
    // They depend on each other by version, and no registry has those.
    await project.write('pnpm-workspace.yaml', JSON.stringify({ packages: ['.'], overrides: paths }));
    try {
      await run(project.folder, 'pnpm', 'install', '--prefer-offline', '--ignore-scripts');
    } catch (error) {
      await project.remove();
      if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|META_FETCH_FAIL|NO_OFFLINE/.test((error as Error).message))
        return null;
      throw error;
    }
    return project;
  }

  async write(name: string, text: string): Promise<string> {
    const file = join(this.folder, name);
    await writeFile(file, text);
    return file;
  }

  /** Runs a module in plain Node; gives what it printed. */
  async node(name: string, text: string): Promise<string> {
    return await run(this.folder, process.execPath, basename(await this.write(name, text)));
  }

  /** What the compiler says of a module, with types of libraries checked too. */
  async typeErrors(name: string, text: string, ...options: string[]): Promise<string> {
    await this.write(name, text);
    const compiler = join(repository, 'node_modules/typescript/bin/tsc');
    const strict = '--noEmit --strict --skipLibCheck false --module nodenext --target es2023'.split(' ');
    try {
      return await run(this.folder, process.execPath, compiler, ...strict, ...options, name);
    } catch (error) {
      return (error as Error).message;
    }
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
