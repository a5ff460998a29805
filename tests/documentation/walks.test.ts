/**
 * Follows the pages of docs/ that walk through a change: makes the changes that they show in a copy of the repository,
 * all of them together, and runs what comes of them.
 */
import { execFile } from 'node:child_process';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Change, changed, changesOf } from './changes.ts';
import { copyRepository, repository, type RepositoryCopy } from './repository-copy.ts';

const PAGES = ['adding-an-op', 'adding-a-router'];
/** Compiling kernels and training in a machine takes its time. */
const PATIENCE = 300_000;

const pages = await Promise.all(PAGES.map((name) => readFile(join(repository, 'docs', `${name}.md`), 'utf8')));
const changes = pages.flatMap(changesOf);

let copy: RepositoryCopy;

/** What a program prints, run with Node in the copy. */
async function run(folder: string, ...args: readonly string[]): Promise<string> {
  const options = { cwd: join(copy.root, folder), env: { ...process.env, NO_COLOR: '1' }, maxBuffer: 2 ** 26 };
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, options);
    return stdout + stderr;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${args.join(' ')} failed:\n${stdout ?? ''}${stderr ?? ''}`, { cause: error });
  }
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
    const files = changes.map(({ path }) => path).filter((path) => path.endsWith('.ts') && !path.includes('assembly'));
    const settings = { extends: './tsconfig.tests.json', include: files };
    await writeFile(join(copy.root, 'tsconfig.walks.json'), JSON.stringify(settings));
    expect(await run('.', 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.walks.json')).toBe('');
  });

  it('tests pass, and training runs', async () => {
    // One binary is enough: relaxed SIMD only rounds otherwise.
    await run('packages/tensor', '--import', 'tsx', 'scripts/build-kernels.ts', 'kernels');
    const generated = join(copy.root, 'packages/tensor/src/devices/wasm/generated');
    await copyFile(join(generated, 'kernels.wasm'), join(generated, 'kernels-relaxed.wasm'));
    const files = ['packages/moe/test/readme.test.ts', 'tests/routing'];
    const named = changes.map(({ path }) => path).filter((path) => path.endsWith('.test.ts'));
    const shown = await run(
      '.',
      'node_modules/vitest/vitest.mjs',
      'run',
      ...files,
      ...named,
      '-t',
      'squaredRelu|frozen|README',
    );
    expect(shown).toMatch(/Test Files\s+\d+ passed/);
  });
});
