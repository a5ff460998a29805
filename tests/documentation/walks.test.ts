/**
 * Follows the pages of docs/ that walk through a change: makes the changes that they show in a copy of the repository,
 * all of them together, and runs what comes of them.
 */
import { execFile } from 'node:child_process';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Change, changed, changesOf } from './changes.ts';
import { copyRepository, repository, type RepositoryCopy } from './repository-copy.ts';

const PAGES = ['adding-an-op', 'adding-a-router', 'adding-a-measure', 'adding-a-figure'];
/** Compiling kernels and training in a machine takes its time. */
const PATIENCE = 300_000;

const pages = await Promise.all(PAGES.map((name) => readFile(join(repository, 'docs', `${name}.md`), 'utf8')));
const changes = pages.flatMap(changesOf);

let copy: RepositoryCopy;

/** What a program prints, run with Node in the copy. */
async function run(folder: string, ...args: readonly string[]): Promise<string> {
  // No GPU played by the processor: it takes long to build kernels.
  const { VK_DRIVER_FILES: _, ...env } = process.env;
  const options = {
    cwd: join(copy.root, folder),
    env: { ...env, NO_COLOR: '1', XDG_CACHE_HOME: join(copy.root, 'cache') },
    maxBuffer: 2 ** 26,
  };
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, options);
    return stdout + stderr;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${args.join(' ')} failed:\n${stdout ?? ''}${stderr ?? ''}`, { cause: error });
  }
}

/** What a package of the copy exports. */
async function fromCopy<Exports>(name: string): Promise<Exports> {
  return (await import(join(copy.root, `packages/${name}/src/index.ts`))) as Exports;
}

beforeAll(async () => {
  copy = await copyRepository();
  for (const change of changes) await copy.make(change);
}, PATIENCE);
afterAll(() => copy[Symbol.asyncDispose]());

describe('a change that a page shows', () => {
  const page = [
    'Text.',
    '```diff',
    '--- a/some/file.ts',
    '+++ b/some/file.ts',
    '@@',
    ' kept',
    '-old',
    '+new',
    '```',
  ].join('\n');
  const [change] = changesOf(page) as [Change];

  it('is made where its lines are', () => {
    expect(changed('first\nkept\nold\nlast\n', change)).toBe('first\nkept\nnew\nlast\n');
  });

  it('is refused where its lines are not, or more than once', () => {
    expect(() => changed('first\nother\nold\n', change)).toThrow(
      'some/file.ts: these lines are not in the file:\nkept',
    );
    expect(() => changed('kept\nold\nkept\nold\n', change)).toThrow('are there 2 times, expected once');
    expect(() => changed(null, change)).toThrow('some/file.ts: there is no such file');
    expect(() => changed('', { ...change, isNew: true })).toThrow('some/file.ts: is there already');
  });

  it('begins with the name of its file', () => {
    expect(() => changesOf('```diff\n-old\n+new\n```')).toThrow('a diff begins with "--- a/PATH"');
  });
});

describe('with the changes of all pages made', { timeout: PATIENCE }, () => {
  it('types hold', async () => {
    const include = changes
      .map(({ path }) => path)
      .filter((path) => /\.tsx?$/.test(path) && !path.includes('assembly'));
    const page = {
      jsx: 'react-jsx',
      jsxImportSource: 'preact',
      lib: ['es2023', 'dom', 'dom.iterable', 'esnext.disposable'],
    };
    const settings = { extends: './tsconfig.tests.json', compilerOptions: page, include };
    await writeFile(join(copy.root, 'tsconfig.walks.json'), JSON.stringify(settings));
    expect(await run('.', 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.walks.json')).toBe('');
  });

  describe('and kernels compiled', () => {
    beforeAll(async () => {
      // One binary is enough: relaxed SIMD only rounds otherwise.
      await run('packages/tensor', '--import', 'tsx', 'scripts/build-kernels.ts', 'kernels');
      const generated = join(copy.root, 'packages/tensor/src/devices/wasm/generated');
      await copyFile(join(generated, 'kernels.wasm'), join(generated, 'kernels-relaxed.wasm'));
    }, PATIENCE);

    it('the tests that the pages name pass', async () => {
      await writeFile(join(copy.root, 'vitest.walks.mjs'), 'export default { test: { testTimeout: 60_000 } };');
      const files = [
        ...['conformance', 'kernels-elementwise', 'errors'].map((name) => `packages/tensor/test/${name}.test.ts`),
        'tests/routing/properties.test.ts',
        'tests/routing/gradient-ledger.test.ts',
        'packages/moe/test/readme.test.ts',
        'packages/metrics/test/balance.test.ts',
        'packages/report/test/records.test.ts',
      ];
      const names = 'squaredRelu|frozen|table that says|measure|hand-computed|without any token|plain data';
      const report = join(copy.root, 'report.json');
      const options = ['--config', 'vitest.walks.mjs', '--reporter', 'json', '--outputFile', report, '-t', names];
      await run('.', 'node_modules/vitest/vitest.mjs', 'run', ...files, ...options);
      const { testResults } = JSON.parse(await readFile(report, 'utf8')) as {
        testResults: { name: string; assertionResults: { status: string }[] }[];
      };
      const passed = testResults.flatMap(({ name, assertionResults }) =>
        assertionResults.some(({ status }) => status === 'passed') ? [relative(copy.root, name)] : [],
      );
      for (const file of files) expect(passed).toContainEqual(expect.stringContaining(file));
    });

    it('training, its files, its comparison and its pictures have the router, the measure and the figure', async () => {
      const out = join(copy.root, 'comparison');
      const app = (name: string): string[] => ['--import', 'tsx', `apps/${name}/src/main.ts`];
      const settings = ['--preset', 'tiny', '--steps', '2', '--threads', '1', '--out', out];
      const printed = await run('.', ...app('trainer'), 'compare', '--router', 'frozen', ...settings);
      expect(printed).toMatch(/ Gini .* Hoover /);
      expect(printed).toMatch(/^Qwen3-MoE, frozen /m);

      const { readRuns } = await fromCopy<typeof import('@lpr/runs')>('runs');
      const { curves, namedRun, partsOf, runNames, simulatedLevels } =
        await fromCopy<typeof import('@lpr/report')>('report');
      const runs = await readRuns(out);
      const names = runNames(runs.map(namedRun));
      const parts = runs.map((each, i) => partsOf(each, names[i]!));
      for (const { evaluation } of parts)
        expect(evaluation.value?.balance?.mean).toHaveProperty('hoover', expect.any(Number));
      // What the page draws too.
      const [picture] = curves.pictures(parts, { levels: simulatedLevels() }).pictures;
      expect(picture!.table().header).toContain('hoover');
      const events = await readFile(join(out, 'frozen/events.out.tfevents.run'), 'latin1');
      expect(events).toContain('balance/hoover');

      const rendered = await run('.', ...app('dashboard'), 'render', out, '--only', 'loss-terms');
      expect(rendered).toContain('not in loss-terms: Qwen3-MoE, frozen: its objective has no further term');
      expect(rendered).toContain('loss-terms.png');
    });
  });
});
